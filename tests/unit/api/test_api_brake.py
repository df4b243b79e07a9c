"""The brake on mass failure, as an operator sees and releases it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fleetpy.model.records import BrakeRecord, BrakeReleaseRecord
from tests.unit.api.harness import KEYS, M1, M2, NOON, SLEEP, serving

if TYPE_CHECKING:
    from fleetpy.ids import MachineID
    from tests.unit.api.harness import Cluster

pytestmark = pytest.mark.looptime

BRAKE, RELEASE = "/fleetpy/v1/brake", "/fleetpy/v1/brake/release"


async def engage(cluster: Cluster, *machines: MachineID) -> None:
    record = BrakeRecord(machines=list(machines), lost=4, total=6, until=NOON + timedelta(minutes=5))
    await cluster.put(KEYS.brake, record)


def released(cluster: Cluster) -> BrakeReleaseRecord | None:
    entry = cluster.store.get(KEYS.brake_release)
    return BrakeReleaseRecord.decode(entry.value) if entry else None


async def test_the_brake_is_off() -> None:
    async with serving() as cluster:
        assert await cluster.json(BRAKE) == {"revision": cluster.store.revision}


async def test_the_brake_is_shown_with_the_machines_that_it_holds() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        await engage(cluster, M1, M2)
        assert await cluster.json(BRAKE) == {
            "revision": cluster.store.revision,
            "machines": [{"machineID": M1, "units": 1}, {"machineID": M2}],
            "lost": 4,
            "total": 6,
            "until": "2026-01-02T12:05:00+00:00",
        }
        metrics = (await cluster.ask("GET", "/metrics")).text
        assert "fleet_cluster_braked_machines 2.0" in metrics


async def test_a_unit_that_the_brake_holds_says_so() -> None:
    async with serving() as cluster:
        await cluster.lead()
        await cluster.join(M2)
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        await engage(cluster, M1)
        (unit,) = (await cluster.json("/fleetpy/v1/units"))["units"]
        assert unit["pending"] == (
            "11111111, which had it, is lost; 4 of 6 machines vanished at once, and are given time to return"
        )


async def test_releases_add_up_and_say_who_asked() -> None:
    async with serving() as cluster:
        await engage(cluster, M1, M2)
        for machine in (M2, M1):
            assert (await cluster.ask("POST", RELEASE, json={"machines": [machine]})).status_code == 204
        record = released(cluster)
        assert record is not None
        assert (record.machines, bool(record.released_by)) == ([M1, M2], True)


@pytest.mark.parametrize(
    ("held", "asked", "status", "words"),
    [
        ((), [M1], 409, "it is off"),
        ((M1,), [M1, M2], 409, f"does not hold {M2}: it holds {M1}"),
        ((M1,), [], 400, "name the machines"),
    ],
)
async def test_what_the_brake_does_not_hold_cannot_be_released(
    held: tuple[MachineID, ...], asked: list[str], status: int, words: str
) -> None:
    async with serving() as cluster:
        if held:
            await engage(cluster, *held)
        answer = await cluster.ask("POST", RELEASE, json={"machines": asked})
        assert answer.status_code == status
        assert words in answer.json()["error"]["message"]
        assert released(cluster) is None
