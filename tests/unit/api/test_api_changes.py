"""Batches of changes: each unit's fate is its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fleetpy.ids import UnitName
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import MAX_OPERATIONS, Put
from fleetpy.unit.file import MAX_OPTIONS, MAX_UNIT_FILE_BYTES
from tests.support.faulty import Faults
from tests.unit.api.harness import GLOBAL, KEYS, M1, NOON, SLEEP, WAKE, faulty, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Guard, Write

pytestmark = pytest.mark.looptime


def create(name: str, state: str = "launched", options: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {"name": name, "desiredState": state, "options": options or SLEEP}


class CountingRegistry(MemoryRegistry):
    """Remembers the size of each transaction, and lets somebody do something before it."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.sizes: list[tuple[int, int]] = []
        self.meddlers: list[Any] = []

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        self.sizes.append((len(writes), len(guards)))
        if self.meddlers:
            self.meddlers.pop(0)()
        return await super().commit(writes, guards=guards)


async def test_every_change_has_its_result_in_order() -> None:
    async with serving() as cluster:
        await cluster.set("old.service", "launched", SLEEP)
        await cluster.set("same.service", "launched", SLEEP)
        answer = await cluster.ask(
            "POST",
            "/fleetpy/v1/changes",
            json={
                "changes": [
                    create("new.service"),
                    create("old.service", options=WAKE),
                    {"name": "same.service", "desiredState": "launched"},
                    {"name": "missing.service", "desiredState": "launched"},
                    {"name": "missing.service", "action": "destroy"},
                    {"name": "nonsense"},
                    create("bad.service", options=[{"section": "X-Fleet", "name": "Foo", "value": "x"}]),
                    {"name": "same.service", "action": "explode"},
                ]
            },
        )
        assert answer.status_code == 200
        body = answer.json()
        assert body["revision"] == cluster.store.revision
        assert [(one["name"], one["status"], one.get("code", 0)) for one in body["results"]] == [
            ("new.service", "created", 0),
            ("old.service", "changed", 0),
            ("same.service", "unchanged", 0),
            ("missing.service", "refused", 409),
            ("missing.service", "unchanged", 0),
            ("nonsense", "refused", 400),
            ("bad.service", "refused", 400),
            ("same.service", "refused", 400),
        ]
        assert "there is no action 'explode'" in body["results"][-1]["message"]


async def test_units_of_a_batch_share_transactions_and_their_file() -> None:
    store = MemoryStore()
    registry = CountingRegistry(store)
    async with serving(store, registry) as cluster:
        results = await cluster.change(*(create(f"web@{number}.service") for number in range(300)))
        assert {result["status"] for result in results} == {"created"}
        assert sorted(registry.sizes) == [(47, 47), (128, 128), (128, 128)]
        assert len((await cluster.json("/fleetpy/v1/units"))["units"]) == 300


async def test_large_units_are_spread_over_transactions_that_etcd_takes() -> None:
    store = MemoryStore()
    registry = CountingRegistry(store)
    async with serving(store, registry) as cluster:
        texts = ["x" * 2000 + str(number) for number in range(100)]
        big = [
            create(
                f"big{number}.service", options=[{"section": "Unit", "name": "A", "value": t} for t in texts] + SLEEP
            )
            for number in range(8)
        ]
        for number, one in enumerate(big):
            one["options"].append({"section": "Service", "name": "Environment", "value": str(number)})
        results = await cluster.change(*big)
        assert {result["status"] for result in results} == {"created"}
        assert len(registry.sizes) > 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_the_largest_unit_is_taken_whichever_way_it_comes(method: str) -> None:
    spare = MAX_UNIT_FILE_BYTES - len("[Service]\n") - MAX_OPTIONS * len("a=\n")
    options = [{"section": "Service", "name": "a", "value": '"' * spare}]
    options += [{"section": "Service", "name": "a", "value": ""}] * (MAX_OPTIONS - 1)
    async with serving() as cluster:
        if method == "PUT":
            assert await cluster.set("a.service", "inactive", options) == 201
        else:
            assert (await cluster.change(create("a.service", "inactive", options)))[0]["status"] == "created"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([{"section": "A", "name": "a", "value": "x" * MAX_UNIT_FILE_BYTES}], "more than the 524288 that it may have"),
        ([{"section": "A", "name": "a"}] * (MAX_OPTIONS + 1), "has 10001 options, more than the 10000"),
        ([{"section": "A", "name": "a" * 256}], "has 256 characters, more than the 255"),
        ([{"section": "A", "name": "a", "value": "\1" * 200_000}], "bytes as JSON, more than the 1048576"),
    ],
)
async def test_a_unit_that_is_too_large_is_refused_by_the_limit(options: list[dict[str, str]], words: str) -> None:
    async with serving() as cluster:
        results = await cluster.change(create("a.service", "inactive", options), create("b.service"))
        assert [result["status"] for result in results] == ["refused", "created"]
        assert results[0]["code"] == 400
        assert words in results[0]["message"]


async def test_an_etcd_that_takes_less_gets_units_one_by_one_and_none_that_is_too_large() -> None:
    async with serving(MemoryStore(max_request_bytes=4096)) as cluster:
        small = [
            create(f"{number}.service", options=[{"section": "A", "name": "a", "value": f"{number}" * 500}])
            for number in range(1, 9)
        ]
        big = create("big.service", options=[{"section": "A", "name": "a", "value": "x" * 5000}])
        results = await cluster.change(*small[:4], big, *small[4:])
        assert [result["status"] for result in results] == ["created"] * 4 + ["refused"] + ["created"] * 4
        assert results[4]["code"] == 413
        assert results[4]["message"].startswith("unit big.service is too large: ")
        assert await cluster.set("big.service", "loaded", big["options"]) == 413


async def test_changes_of_one_unit_are_carried_out_one_after_another() -> None:
    async with serving() as cluster:
        results = await cluster.change(
            create("a.service", "inactive"),
            {"name": "a.service", "desiredState": "launched"},
            {"name": "a.service", "action": "destroy"},
            create("a.service", "loaded", WAKE),
        )
        assert [result["status"] for result in results] == ["created", "changed", "destroyed", "created"]
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.desired == "loaded"


async def test_no_changes_are_fine() -> None:
    async with serving() as cluster:
        assert await cluster.change() == []


@pytest.mark.parametrize("state", ["launched", "loaded"])
async def test_a_restart_stamps_the_unit_and_has_it_launched(state: str) -> None:
    async with serving() as cluster:
        await cluster.set("a.service", state, SLEEP)
        (first,) = await cluster.change({"name": "a.service", "action": "restart"})
        (second,) = await cluster.change({"name": "a.service", "action": "restart"})
        unit = cluster.unit("a.service")
        assert unit is not None
        assert (first["status"], second["status"]) == ("changed", "changed")
        assert first["restarted"] != second["restarted"] == unit.restarted
        assert unit.desired == "launched"


async def test_a_stamp_outlives_other_changes() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        (result,) = await cluster.change({"name": "a.service", "action": "restart"})
        await cluster.change({"name": "a.service", "desiredState": "loaded"}, create("a.service", options=WAKE))
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.restarted == result["restarted"]


async def test_a_later_restart_has_a_later_stamp_though_this_hosts_clock_is_behind_anothers() -> None:
    """Agents restart a unit only for a later one: an earlier one is from a registry that was set back."""
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        unit = cluster.unit("a.service")
        assert unit is not None
        ahead = (NOON + timedelta(hours=1)).isoformat(timespec="microseconds")
        await cluster.put(KEYS.unit(UnitName("a.service")), unit.replace(restarted=ahead))
        (first,) = await cluster.change({"name": "a.service", "action": "restart"})
        (second,) = await cluster.change({"name": "a.service", "action": "restart"})
        assert ahead < first["restarted"] < second["restarted"]


async def test_a_restart_has_a_later_stamp_than_one_that_the_registry_has_forgotten() -> None:
    """It was set back since; an agent restarts a unit only for a later stamp than it has seen."""
    ahead = "2099-01-01T00:00:00.000000+00:00"
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.join(M1)
        await cluster.report("a.service", M1, restarted=ahead)
        (result,) = await cluster.change({"name": "a.service", "action": "restart"})
        assert result["restarted"] > ahead


@pytest.mark.parametrize(("name", "code"), [("off.service", 409), ("none.service", 404), ("a@.service", 400)])
async def test_what_cannot_be_restarted_is_refused(name: str, code: int) -> None:
    async with serving() as cluster:
        await cluster.set("off.service", "inactive", SLEEP)
        await cluster.set("a@.service", "inactive", SLEEP)
        (result,) = await cluster.change({"name": name, "action": "restart"})
        assert (result["status"], result["code"]) == ("refused", code)


@pytest.mark.parametrize("action", ["restart", "destroy"])
async def test_only_set_takes_options_and_a_state(action: str) -> None:
    async with serving() as cluster:
        (result,) = await cluster.change({"name": "a.service", "action": action, "desiredState": "launched"})
        assert (result["status"], result["code"]) == ("refused", 400)


async def test_too_many_changes_are_413_and_none_is_made() -> None:
    async with serving() as cluster:
        many = [{"name": "a.service", "action": "destroy"}] * 5001
        answer = await cluster.ask("POST", "/fleetpy/v1/changes", json={"changes": many})
        assert answer.status_code == 413
        assert "at most 5000" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [{}, {"changes": None}, {"changes": [{}]}, {"changes": [{"name": 7}]}, {"changes": ["a"]}, []]
)
async def test_what_is_no_batch_is_400(body: Any) -> None:
    async with serving() as cluster:
        answer = await cluster.ask("POST", "/fleetpy/v1/changes", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


async def test_a_change_elsewhere_meanwhile_is_not_overwritten_unseen() -> None:
    store = MemoryStore()
    registry = CountingRegistry(store)
    async with serving(store, registry) as cluster, serving(store) as other:
        await cluster.set("a.service", "inactive", SLEEP)
        await other.api.picture.at_least(store.revision)

        def meddle() -> None:
            # Another host's API replaces the unit between this one's decision and its write.
            unit = cluster.unit("a.service")
            assert unit is not None
            other_record = unit.replace(restarted="elsewhere")
            store.commit([put_unit("a.service", other_record)])

        registry.meddlers = [meddle]
        assert await cluster.set("a.service", "launched") == 204
        unit = cluster.unit("a.service")
        assert unit is not None
        assert (unit.desired, unit.restarted) == ("launched", "elsewhere")


def put_unit(name: str, record: Any) -> Write:
    return Put(KEYS.unit(UnitName(name)), record.encode())


async def test_a_unit_that_is_fought_over_does_not_hold_up_others() -> None:
    store = MemoryStore()
    registry = CountingRegistry(store)
    async with serving(store, registry) as cluster:
        await cluster.set("hot.service", "inactive", SLEEP)

        def meddle() -> None:
            unit = cluster.unit("hot.service")
            assert unit is not None
            stamp = f"{unit.restarted or ''}!"
            store.commit([put_unit("hot.service", unit.replace(restarted=stamp))])

        registry.meddlers = [meddle] * 20
        hot, *others = await cluster.change(
            {"name": "hot.service", "desiredState": "launched"}, *(create(f"{name}.service") for name in "abc")
        )
        assert [result["status"] for result in others] == ["created"] * 3
        assert (hot["status"], hot["code"]) == ("refused", 503)


async def test_a_picture_that_lags_does_not_refuse_what_was_made_elsewhere() -> None:
    store = MemoryStore()
    slow = faulty(MemoryRegistry(store), Faults(delay=0.2))
    async with serving(store) as cluster, serving(store, slow) as lagging:
        await lagging.json("/fleet/v1/units")
        for _ in range(10):
            assert await cluster.set("a.service", "launched", SLEEP) == 201
            assert await lagging.set("a.service", "loaded") == 204
            assert await cluster.set("a.service", "launched") == 204
            assert (await lagging.ask("DELETE", "/fleet/v1/units/a.service")).status_code == 204
            assert (await cluster.ask("DELETE", "/fleet/v1/units/a.service")).status_code == 404


async def test_a_write_that_is_not_answered_may_have_been_made_and_that_is_said() -> None:
    store = MemoryStore()
    registry = faulty(MemoryRegistry(store))
    async with serving(store, registry) as cluster:
        await cluster.json("/fleet/v1/units")
        registry.faults = Faults(unanswered=1)
        answer = await cluster.ask("PUT", "/fleet/v1/units/a.service", json=create("a.service"))
        assert answer.status_code == 503
        assert "it may have been written or not" in answer.json()["error"]["message"]
        assert cluster.unit("a.service") is not None


async def test_a_batch_that_the_registry_does_not_take_is_503() -> None:
    store = MemoryStore()
    registry = faulty(MemoryRegistry(store))
    async with serving(store, registry) as cluster:
        await cluster.json("/fleet/v1/units")
        await registry.cut(off=True)
        batch = {"changes": [create(f"{number}.service") for number in range(MAX_OPERATIONS * 6)]}
        answer = await cluster.ask("POST", "/fleetpy/v1/changes", json=batch)
        assert answer.status_code == 503
        assert "the line is cut" in answer.json()["error"]["message"]


async def test_a_batch_that_breaks_off_tells_each_units_fate() -> None:
    store = MemoryStore()
    registry = CountingRegistry(store)
    line = faulty(registry)
    async with serving(store, line) as cluster:
        await cluster.json("/fleet/v1/units")

        def break_off() -> None:
            line.faults = Faults(refused=1)

        registry.meddlers = [lambda: None, break_off]
        results = await cluster.change(*(create(f"{number:03}.service", options=GLOBAL) for number in range(800)))
        fates = {result["status"] for result in results}
        assert fates == {"created", "refused"}
        for result in results:
            assert (cluster.unit(result["name"]) is not None) == (result["status"] == "created")
        assert {result.get("code", 0) for result in results} == {0, 503}


async def test_concurrent_batches_of_the_same_units_all_end() -> None:
    store = MemoryStore(clock=asyncio.get_running_loop().time)
    async with serving(store) as one, serving(store) as other:
        names = [f"{number}.service" for number in range(200)]
        first, second = await asyncio.gather(
            one.change(*(create(name, "launched") for name in names)),
            other.change(*(create(name, "loaded", WAKE) for name in names)),
        )
        for name, a, b in zip(names, first, second, strict=True):
            assert {a["status"], b["status"]} == {"created", "changed"}, name
