"""An etcd that does not answer: what was asked is done once all the same, or certainly not, or that is not known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fleetpy.errors import UnavailableError
from fleetpy.ids import Revision, UnitName
from fleetpy.model.records import BrakeRecord
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import (
    CompactedError,
    Delete,
    GuardFailedError,
    NotSentError,
    Put,
    RegistryDeniedError,
    RegistryFullError,
)
from fleetpy_api.committer import PATIENCE
from tests.unit.api.harness import KEYS, M1, NOON, SLEEP, WAKE, Cluster, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fleetpy.registry.memory import MemoryWatch
    from fleetpy.registry.protocol import Entry, Guard, Write

    Commit = Callable[[], Awaitable[Revision]]
    Fate = Callable[[Commit], Awaitable[Revision]]

pytestmark = pytest.mark.looptime

WHERE = "etcd at http://192.0.2.1:2379"
SILENCE = UnavailableError(f"{WHERE} did not answer within 1 s")
UNIT = KEYS.unit(UnitName("a.service"))
PATH = "/fleet/v1/units/a.service"


class Line(MemoryRegistry):
    """Has each transaction meet the next of its fates; one that meets none is carried out."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.fates: list[Fate] = []
        self.commits = 0
        self.compacted = False

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        self.commits += 1
        commit = super().commit
        if self.fates:
            return await self.fates.pop(0)(lambda: commit(writes, guards=guards))
        return await commit(writes, guards=guards)

    def watch(self, prefix: str, *, start: Revision) -> MemoryWatch:
        if self.compacted:
            raise CompactedError(start)
        return super().watch(prefix, start=start)


def nothing() -> None:
    """Nobody does anything meanwhile."""


def answer_lost(meanwhile: Callable[[], object] = nothing) -> Fate:
    async def fate(commit: Commit) -> Revision:
        await commit()
        meanwhile()
        raise SILENCE

    return fate


def request_lost(meanwhile: Callable[[], object] = nothing, error: UnavailableError = SILENCE) -> Fate:
    async def fate(_commit: Commit) -> Revision:
        meanwhile()
        raise error

    return fate


def held_up(held: list[Commit]) -> Fate:
    """It is stuck somewhere, and may be written yet."""

    async def fate(commit: Commit) -> Revision:
        held.append(commit)
        raise SILENCE

    return fate


def entry(cluster: Cluster) -> Entry | None:
    return cluster.store.get(UNIT)


def destroy(cluster: Cluster) -> None:
    cluster.store.commit([Delete(UNIT)])


def submit(cluster: Cluster) -> None:
    """By somebody else, with a text that is there for good."""
    store = cluster.store
    kept = store.get(KEYS.unit(UnitName("b.service")))
    assert kept is not None
    store.commit([Put(UNIT, kept.value)])


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def line(store: MemoryStore) -> Line:
    return Line(store)


async def create(cluster: Cluster) -> int:
    return await cluster.set("a.service", "launched", SLEEP)


async def test_a_unit_whose_writing_was_not_answered_is_written_once(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        line.fates = [answer_lost()]
        assert await create(cluster) == 201
        made = entry(cluster)
        assert made is not None
        assert made.create_revision == made.mod_revision
        assert line.commits == 2  # it, and its fence


async def test_a_unit_whose_writing_never_arrived_is_written_again(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        line.fates = [request_lost(), request_lost()]
        assert await create(cluster) == 201
        assert entry(cluster) is not None


async def test_a_write_that_was_stuck_does_not_bring_back_what_was_destroyed_since(
    line: Line, store: MemoryStore
) -> None:
    held: list[Commit] = []
    async with serving(store, line) as cluster:
        line.fates = [held_up(held)]
        assert await create(cluster) == 201
        assert (await cluster.ask("DELETE", PATH)).status_code == 204
        with pytest.raises(GuardFailedError):
            await held.pop()()
        assert entry(cluster) is None


async def test_a_write_that_arrives_while_it_is_asked_after_is_not_made_twice(line: Line, store: MemoryStore) -> None:
    held: list[Commit] = []

    async def late(commit: Commit) -> Revision:
        await held.pop()()
        return await commit()

    async with serving(store, line) as cluster:
        line.fates = [held_up(held), late]
        assert await create(cluster) == 201
        made = entry(cluster)
        assert made is not None
        assert made.create_revision == made.mod_revision


async def test_what_somebody_destroyed_since_it_was_written_is_not_made_again(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        line.fates = [answer_lost(lambda: destroy(cluster))]
        assert await create(cluster) == 201
        assert entry(cluster) is None


async def test_what_somebody_changed_since_it_was_written_is_not_changed_back(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        await cluster.set("b.service", "loaded", WAKE)
        line.fates = [answer_lost(lambda: submit(cluster))]
        assert await create(cluster) == 201
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.desired == "loaded"


async def test_what_was_submitted_anew_since_it_was_destroyed_is_not_destroyed(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        await cluster.set("b.service", "loaded", WAKE)
        await create(cluster)
        line.fates = [answer_lost(lambda: submit(cluster))]
        assert (await cluster.ask("DELETE", PATH)).status_code == 204
        assert entry(cluster) is not None


async def test_who_was_faster_wins_as_ever_if_the_write_was_lost(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        await cluster.set("b.service", "loaded", WAKE)
        line.fates = [request_lost(lambda: submit(cluster))]
        # Decided again for the unit that there is now: it would have been 409 for one without options.
        assert await cluster.set("a.service", "launched") == 204
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.desired == "launched"


async def test_a_restart_that_was_not_answered_restarts_once(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        await create(cluster)
        line.fates = [answer_lost()]
        (result,) = await cluster.change({"name": "a.service", "action": "restart"})
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.restarted == result["restarted"]


async def test_a_fence_that_was_not_answered_is_put_up_again(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        line.fates = [answer_lost(), answer_lost(), request_lost()]
        assert await create(cluster) == 201
        made = entry(cluster)
        assert made is not None
        assert made.create_revision == made.mod_revision


async def test_fences_go_by_themselves() -> None:
    store = MemoryStore(clock=asyncio.get_running_loop().time)
    line = Line(store)
    async with serving(store, line) as cluster:
        line.fates = [answer_lost()]
        assert await create(cluster) == 201
        assert store.read(KEYS.fence("")).entries
        await asyncio.sleep(3601)
        await cluster.json("/fleet/v1/units")
        store.expire()
        assert not store.read(KEYS.fence("")).entries


async def test_a_batch_goes_on_where_etcd_left_it(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        line.fates = [request_lost(), answer_lost(), request_lost(), answer_lost()]
        batch = [{"name": f"{number}.service", "desiredState": "launched", "options": SLEEP} for number in range(600)]
        results = await cluster.change(*batch)
        assert {result["status"] for result in results} == {"created"}
        units = store.read(KEYS.units).entries
        assert len(units) == 600
        assert all(unit.create_revision == unit.mod_revision for unit in units)


async def test_an_etcd_that_stays_silent_is_reported_in_time_and_by_name(line: Line, store: MemoryStore) -> None:
    loop = asyncio.get_running_loop()
    async with serving(store, line) as cluster:
        line.fates = [request_lost()] * 1000
        began = loop.time()
        answer = await cluster.ask("PUT", PATH, json={"desiredState": "launched", "options": SLEEP})
        assert loop.time() - began == pytest.approx(PATIENCE)
        assert answer.status_code == 503
        assert answer.json()["error"]["message"] == (
            f"unit a.service: it may have been written or not, since {WHERE} did not answer within 1 s "
            "(tried again for 7 s)"
        )


async def test_what_was_certainly_not_sent_is_said_not_to_be_written(line: Line, store: MemoryStore) -> None:
    away = NotSentError(f"{WHERE}: Connection refused")
    async with serving(store, line) as cluster:
        line.fates = [request_lost(error=away)] * 1000
        answer = await cluster.ask("PUT", PATH, json={"desiredState": "launched", "options": SLEEP})
        assert answer.status_code == 503
        assert answer.json()["error"]["message"].startswith(f"unit a.service: not written, since {away} (tried")
        line.fates = [request_lost(error=away)] * 3
        assert await create(cluster) == 201


@pytest.mark.parametrize("error", [RegistryFullError("full"), RegistryDeniedError("no")])
async def test_what_waiting_does_not_change_is_said_at_once(
    line: Line, store: MemoryStore, error: UnavailableError
) -> None:
    loop = asyncio.get_running_loop()
    async with serving(store, line) as cluster:
        line.fates = [request_lost(error=error)]
        began = loop.time()
        answer = await cluster.ask("PUT", PATH, json={"desiredState": "launched", "options": SLEEP})
        assert (answer.status_code, loop.time()) == (503, began)
        assert answer.json()["error"]["message"] == f"unit a.service: not written, since {error}"


async def test_an_etcd_that_is_full_after_a_silence_leaves_it_open(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        line.fates = [answer_lost(), request_lost(error=RegistryFullError("full"))]
        answer = await cluster.ask("PUT", PATH, json={"desiredState": "launched", "options": SLEEP})
        assert answer.status_code == 503
        assert "it may have been written or not, since full" in answer.json()["error"]["message"]


async def test_an_etcd_that_is_full_when_it_is_sent_again_has_not_written_it(line: Line, store: MemoryStore) -> None:
    async def well(commit: Commit) -> Revision:
        return await commit()

    async with serving(store, line) as cluster:
        line.fates = [request_lost(), well, request_lost(error=RegistryFullError("full"))]
        answer = await cluster.ask("PUT", PATH, json={"desiredState": "launched", "options": SLEEP})
        assert answer.status_code == 503
        assert "not written, since full" in answer.json()["error"]["message"]


async def test_a_history_that_was_compacted_leaves_it_open(line: Line, store: MemoryStore) -> None:
    def compact() -> None:
        line.compacted = True

    async with serving(store, line) as cluster:
        line.fates = [answer_lost(compact)]
        answer = await cluster.ask("PUT", PATH, json={"desiredState": "launched", "options": SLEEP})
        assert answer.status_code == 503
        assert "it may have been written or not, since what became of it" in answer.json()["error"]["message"]


async def test_a_change_that_changes_nothing_needs_no_fence(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        await create(cluster)
        before = store.revision
        line.fates = [request_lost()]
        assert await cluster.set("a.service", "launched") == 204
        assert store.revision == before


async def test_a_cordon_that_was_not_answered_does_not_undo_what_came_after_it(line: Line, store: MemoryStore) -> None:
    path, key = f"/fleetpy/v1/machines/{M1}", KEYS.settings(M1)
    async with serving(store, line) as cluster:
        await cluster.join(M1)
        line.fates = [answer_lost(lambda: store.commit([Put(key, b"{}")]))]
        assert (await cluster.ask("PATCH", path, json={"cordoned": True})).status_code == 204
        settings = store.get(key)
        assert settings is not None
        assert settings.value == b"{}"


async def test_a_release_of_the_brake_that_was_not_answered_is_made_once(line: Line, store: MemoryStore) -> None:
    async with serving(store, line) as cluster:
        await cluster.put(KEYS.brake, BrakeRecord(machines=[M1], lost=3, total=5, until=NOON))
        line.fates = [answer_lost()]
        answer = await cluster.ask("POST", "/fleetpy/v1/brake/release", json={"machines": [M1]})
        assert answer.status_code == 204
        released = store.get(KEYS.brake_release)
        assert released is not None
        assert released.create_revision == released.mod_revision
