"""`/state` of the original's API."""

from __future__ import annotations

import pytest

from tests.unit.api.harness import M1, M2, SLEEP, Cluster, serving

pytestmark = pytest.mark.looptime


async def run_units(cluster: Cluster) -> None:
    """`a` on M2; `b` on M1 and M2."""
    for name, machines in (("b.service", (M2, M1)), ("a.service", (M2,))):
        await cluster.set(name, "launched", SLEEP)
        for machine in machines:
            await cluster.report(name, machine)


def pairs(body: dict[str, list[dict[str, str]]]) -> list[tuple[str, str]]:
    return [(state["name"], state["machineID"]) for state in body.get("states", [])]


async def test_a_state_is_systemds_words() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.report("a.service", M1, active="failed", sub="failed")
        unit = cluster.unit("a.service")
        assert unit is not None
        assert await cluster.json("/fleet/v1/state/a.service") == {
            "name": "a.service",
            "hash": unit.hash,
            "machineID": M1,
            "systemdLoadState": "loaded",
            "systemdActiveState": "failed",
            "systemdSubState": "failed",
        }


@pytest.mark.parametrize("prefix", ["/fleet/v1", "/v1-alpha"])
async def test_states_are_listed_by_unit_and_machine(prefix: str) -> None:
    async with serving() as cluster:
        await run_units(cluster)
        body = await cluster.json(f"{prefix}/state")
        assert pairs(body) == [("a.service", M2), ("b.service", M1), ("b.service", M2)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"machineID": M1}, [("b.service", M1)]),
        ({"unitName": "b.service"}, [("b.service", M1), ("b.service", M2)]),
        ({"machineID": M2, "unitName": "b.service"}, [("b.service", M2)]),
        ({"machineID": "", "unitName": ""}, [("a.service", M2), ("b.service", M1), ("b.service", M2)]),
        ({"machineID": M1, "unitName": "a.service"}, []),
        ({"unitName": "b*"}, []),
    ],
)
async def test_states_can_be_narrowed_to_a_machine_and_a_unit(
    filters: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    async with serving() as cluster:
        await run_units(cluster)
        assert pairs(await cluster.json("/fleet/v1/state", params=filters)) == expected


async def test_pages_of_states_are_of_one_revision() -> None:
    async with serving(token_limit=1) as cluster:
        await run_units(cluster)
        first = await cluster.json("/fleet/v1/state", params={"unitName": "b.service"})
        await cluster.report("b.service", M2, active="failed")
        token = {"unitName": "b.service", "nextPageToken": first["nextPageToken"]}
        second = await cluster.json("/fleet/v1/state", params=token)
        assert pairs(first) + pairs(second) == [("b.service", M1), ("b.service", M2)]
        assert second["states"][0]["systemdActiveState"] == "active"


async def test_no_states_are_an_empty_object() -> None:
    async with serving() as cluster:
        assert await cluster.json("/fleet/v1/state") == {}


async def test_a_unit_that_no_machine_speaks_of_is_404() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        answer = await cluster.ask("GET", "/fleet/v1/state/a.service")
        assert answer.status_code == 404
        assert answer.json() == {
            "error": {"code": 404, "message": "no machine reports a state of unit a.service"},
        }


async def test_a_unit_that_is_being_stopped_after_its_end_has_a_state_still() -> None:
    async with serving() as cluster:
        await run_units(cluster)
        await cluster.ask("DELETE", "/fleet/v1/units/a.service")
        assert pairs(await cluster.json("/fleet/v1/state", params={"unitName": "a.service"})) == [("a.service", M2)]


async def test_a_report_without_systemds_words_is_no_state_yet() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.report("a.service", M1, load="", active="", sub="")
        assert await cluster.json("/fleet/v1/state") == {}


async def test_of_a_unit_on_several_machines_the_first_is_shown() -> None:
    async with serving() as cluster:
        await run_units(cluster)
        assert (await cluster.json("/fleet/v1/state/b.service"))["machineID"] == M1
