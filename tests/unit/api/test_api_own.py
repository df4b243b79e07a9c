"""fleetpy's own resources: units in one answer, explanations, health."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fleetpy import __version__
from fleetpy.model.states import UnitGoal
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import NEWEST
from tests.unit.api.harness import GLOBAL, M1, M2, NOON, SLEEP, faulty, serving

if TYPE_CHECKING:
    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Page

pytestmark = pytest.mark.looptime


async def test_a_units_status_is_all_that_is_known() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        options = [{"section": "Unit", "name": "Description", "value": "Naps"}, *SLEEP]
        await cluster.set("a.service", "launched", options)
        await cluster.place("a.service", M1)
        await cluster.report("a.service", M1, since=NOON, result="success", restarted="r1", problem="no socket")
        unit = cluster.unit("a.service")
        assert unit is not None
        assert await cluster.json("/fleetpy/v1/units") == {
            "revision": cluster.store.revision,
            "units": [
                {
                    "name": "a.service",
                    "uid": cluster.uid("a.service"),
                    "hash": unit.hash,
                    "desiredState": "launched",
                    "currentState": "launched",
                    "machineID": M1,
                    "description": "Naps",
                    "states": [
                        {
                            "machineID": M1,
                            "hash": unit.hash,
                            "goal": "launched",
                            "load": "loaded",
                            "active": "active",
                            "sub": "running",
                            "result": "success",
                            "restarted": "r1",
                            "since": "2026-01-02T12:00:00+00:00",
                            "problem": "no socket",
                        }
                    ],
                }
            ],
        }


async def test_a_global_unit_has_a_state_for_each_machine() -> None:
    async with serving() as cluster:
        for machine in (M1, M2):
            await cluster.join(machine)
        await cluster.set("g.service", "launched", GLOBAL)
        for machine in (M2, M1):
            await cluster.place("g.service", machine)
            await cluster.report("g.service", machine)
        (unit,) = (await cluster.json("/fleetpy/v1/units"))["units"]
        assert (unit["isGlobal"], unit["currentState"], "machineID" in unit) == (True, "", False)
        assert [state["machineID"] for state in unit["states"]] == [M1, M2]


async def test_units_can_be_asked_for_by_name() -> None:
    async with serving() as cluster:
        for name in "abc":
            await cluster.set(f"{name}.service", "inactive", SLEEP)
        body = await cluster.json("/fleetpy/v1/units", params={"name": ["c.service", "a.service", "x", "a.service"]})
        assert [unit["name"] for unit in body["units"]] == ["a.service", "c.service"]


async def test_a_long_list_is_whole() -> None:
    async with serving() as cluster:
        names = [f"{number:04}.service" for number in range(1200)]
        await cluster.change(*({"name": name, "options": SLEEP} for name in names))
        body = await cluster.json("/fleetpy/v1/units")
        assert [unit["name"] for unit in body["units"]] == names


async def test_no_units_are_an_empty_list() -> None:
    async with serving() as cluster:
        assert await cluster.json("/fleetpy/v1/units") == {"revision": 1, "units": []}


async def test_a_unit_that_waits_says_why() -> None:
    async with serving() as cluster:
        await cluster.lead()
        await cluster.join(M1)
        picky = [*SLEEP, {"section": "X-Fleet", "name": "MachineMetadata", "value": "region=eu"}]
        await cluster.set("a.service", "launched", picky)
        await cluster.set("b.service", "inactive", SLEEP)
        units = (await cluster.json("/fleetpy/v1/units"))["units"]
        assert [unit.get("pending", "") for unit in units] == ["1 machine lacks region=eu", ""]


async def test_without_a_leader_that_is_the_reason() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("a.service", "launched", SLEEP)
        (unit,) = (await cluster.json("/fleetpy/v1/units"))["units"]
        assert unit["pending"] == "no scheduler leads the cluster: nothing is placed until one does"


async def test_a_unit_is_explained_machine_by_machine() -> None:
    async with serving() as cluster:
        await cluster.join(M1, metadata={"region": "eu"})
        await cluster.join(M2)
        picky = [*SLEEP, {"section": "X-Fleet", "name": "MachineMetadata", "value": "region=eu"}]
        await cluster.set("a.service", "launched", picky)
        explained = await cluster.json("/fleetpy/v1/units/a.service/explain")
        assert explained["name"] == "a.service"
        assert [(one["machineID"], one["eligible"], one.get("reason", "")) for one in explained["machines"]] == [
            (M1, True, ""),
            (M2, False, "lacks region=eu"),
        ]
        await cluster.place("a.service", M1)
        explained = await cluster.json("/fleetpy/v1/units/a.service/explain")
        assert explained["machineID"] == M1


async def test_an_unknown_unit_cannot_be_explained() -> None:
    async with serving() as cluster:
        answer = await cluster.ask("GET", "/fleetpy/v1/units/a.service/explain")
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "unit a.service does not exist")


async def test_health_says_how_far_the_picture_is_and_who_leads() -> None:
    async with serving() as cluster:
        await cluster.lead()
        assert await cluster.json("/fleetpy/v1/health") == {
            "status": "ok",
            "version": __version__,
            "revision": cluster.store.revision,
            "leader": "leader",
        }


async def test_while_the_registry_is_away_health_and_writes_are_503_and_reads_go_on() -> None:
    store = MemoryStore()
    registry = faulty(MemoryRegistry(store))
    async with serving(store, registry) as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        answer = await cluster.ask("GET", "/fleet/v1/units/a.service")
        assert "Warning" not in answer.headers
        await registry.cut(off=True)
        health = await cluster.ask("GET", "/fleetpy/v1/health")
        assert (health.status_code, health.json()) == (503, {"error": {"code": 503, "message": "the line is cut"}})
        assert await cluster.set("a.service", "loaded") == 503
        answer = await cluster.ask("GET", "/fleet/v1/units/a.service")
        assert (answer.status_code, answer.json()["desiredState"]) == (200, "launched")
        assert answer.headers["Warning"] == '110 fleetpy "etcd is away: this is what was last seen"'
        await registry.cut(off=False)
        assert (await cluster.ask("GET", "/fleetpy/v1/health")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/fleet/v1/units",
        "/fleet/v1/units/a.service",
        "/fleet/v1/state",
        "/fleet/v1/state/a.service",
        "/fleet/v1/machines",
        "/fleetpy/v1/units",
        "/fleetpy/v1/units/a.service/explain",
        "/fleetpy/v1/machines",
        "/fleetpy/v1/health",
        "/fleetpy/v1/events",
    ],
)
async def test_before_the_registry_was_read_once_everything_is_503_with_a_sentence(path: str) -> None:
    registry = faulty(MemoryRegistry(MemoryStore()))
    await registry.cut(off=True)
    async with serving(registry=registry) as cluster:
        answer = await cluster.ask("GET", path)
        assert (answer.status_code, answer.json()) == (
            503,
            {
                "error": {
                    "code": 503,
                    "message": "fleet-api cannot read the cluster's state: the line is cut",
                }
            },
        )


class SlowToRead(MemoryRegistry):
    """Answers single questions at once, and takes ten seconds for a page."""

    async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
        await asyncio.sleep(10)
        return await super().page(prefix, after=after, limit=limit, revision=revision)


async def test_a_request_waits_for_the_first_reading_of_a_large_cluster() -> None:
    store = MemoryStore()
    async with serving(store) as other:
        await other.set("a.service", "launched", SLEEP)
    async with serving(store, SlowToRead(store)) as cluster:
        (unit,) = (await cluster.json("/fleet/v1/units"))["units"]
        assert (unit["name"], unit["currentState"]) == ("a.service", UnitGoal.INACTIVE)
