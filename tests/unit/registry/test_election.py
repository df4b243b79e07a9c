"""Elections in virtual time: one leader at a time, a successor as soon as there can be one."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import LeaseID
from fleetpy.model.records import LeaderRecord
from fleetpy.registry.election import Election, Leadership
from fleetpy.registry.keys import Keys
from fleetpy.registry.lease import Renewer
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, GuardFailedError, Put, ValueIs
from tests.support.faulty import Faults, FaultyRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Guard, Write

pytestmark = pytest.mark.looptime(noop_cycles=1)

KEY = Keys().leader
TTL = 5.0


def virtual_store() -> MemoryStore:
    return MemoryStore(clock=asyncio.get_running_loop().time)


class Candidate:
    def __init__(self, store: MemoryStore, name: str, faults: Faults | None = None, seed: int = 0) -> None:
        self.name = name
        self.registry = FaultyRegistry(MemoryRegistry(store), random.Random(seed), faults)  # noqa: S311
        self.renewer = Renewer(self.registry, TTL, asyncio.get_running_loop().time)
        self.election = Election(self.registry, KEY, self.renewer)

    async def elected(self) -> Leadership:
        return await self.election.campaign(self.name)


@asynccontextmanager
async def candidates(
    store: MemoryStore, count: int, faults: Faults | None = None, seed: int = 0
) -> AsyncIterator[list[Candidate]]:
    made = [Candidate(store, f"host-{number}", faults, seed + number) for number in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(candidate.renewer.run()) for candidate in made]
        yield made
        for task in tasks:
            task.cancel()


def guard_of(leadership: Leadership) -> ValueIs:
    return ValueIs(KEY, leadership.entry.value)


def holder_of(store: MemoryStore) -> str:
    entry = store.get(KEY)
    return LeaderRecord.decode(entry.value).identity if entry else ""


async def test_the_first_candidate_leads() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,):
        leadership = await only.elected()
        assert leadership.entry == store.get(KEY)
        assert LeaderRecord.decode(leadership.entry.value).identity == "host-0"
        assert leadership.entry.lease == only.renewer.status.lease
        assert leadership.since_silence == float("inf")


@pytest.mark.parametrize("away", [TTL / 2, TTL * 2])
async def test_a_leader_knows_how_long_ago_it_lost_a_lease_of_its_own(away: float, looptime: float) -> None:
    store = virtual_store()
    async with candidates(store, 2) as (first, second):
        leading = await first.elected()
        waiting = asyncio.create_task(second.elected())
        await asyncio.sleep(1)
        await second.registry.cut(off=True)
        await asyncio.sleep(away)
        await second.registry.cut(off=False)
        await asyncio.sleep(100)
        await leading.resign()
        lost = float("inf") if away < TTL else looptime - 1 - away
        assert (await waiting).since_silence == pytest.approx(lost, abs=TTL / 2)


async def test_the_others_wait_without_asking_again() -> None:
    store = virtual_store()
    async with candidates(store, 3) as (first, *others), asyncio.TaskGroup() as group:
        await first.elected()
        waiting = [group.create_task(other.elected()) for other in others]
        await asyncio.sleep(1)
        asked = 0

        async def count() -> None:
            nonlocal asked
            asked += 1

        for other in others:
            other.registry.pass_time = count  # type: ignore[method-assign]
        await asyncio.sleep(300)
        assert not any(task.done() for task in waiting)
        # What they do ask is that their leases be renewed; one question and one answer each.
        assert asked / 2 < 2 * 300 / (TTL / 3) * 1.3
        for task in waiting:
            task.cancel()


async def test_when_a_leader_resigns_another_leads_at_once(looptime: float) -> None:
    store = virtual_store()
    async with candidates(store, 2) as (first, second), asyncio.TaskGroup() as group:
        leadership = await first.elected()
        waiting = group.create_task(second.elected())
        await asyncio.sleep(10)
        before = float(looptime)
        await leadership.resign()
        successor = await waiting
        assert float(looptime) - before < 0.1
        assert holder_of(store) == "host-1"
        assert await leadership.lost() == "the leader's key is gone, or another's"
        with pytest.raises(GuardFailedError):
            await first.registry.commit([Put("/x", b"")], guards=[guard_of(leadership)])
        await second.registry.commit([Put("/x", b"")], guards=[guard_of(successor)])
        await leadership.resign()
        assert holder_of(store) == "host-1"


async def test_when_a_leader_dies_another_leads_as_soon_as_its_lease_is_gone(looptime: float) -> None:
    store = virtual_store()
    async with candidates(store, 2) as (first, second), asyncio.TaskGroup() as group:
        leadership = await first.elected()
        waiting = group.create_task(second.elected())
        lost = group.create_task(leadership.lost())
        await asyncio.sleep(10)
        await first.registry.cut(off=True)
        cut_at = float(looptime)
        assert await lost == "the lease could not be renewed in time"
        lost_at = float(looptime)
        await waiting
        assert cut_at + TTL / 2 < lost_at <= float(looptime) <= cut_at + TTL + 0.1


async def test_a_leader_notices_that_its_lease_was_revoked() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,), asyncio.timeout(TTL), asyncio.TaskGroup() as group:
        leadership = await only.elected()
        lost = group.create_task(leadership.lost())
        await asyncio.sleep(0.1)
        store.revoke(leadership.entry.lease)
        await lost


async def test_a_leader_whose_key_is_removed_or_taken_notices(looptime: float) -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,), asyncio.TaskGroup() as group:
        leadership = await only.elected()
        lost = group.create_task(leadership.lost())
        await asyncio.sleep(20)
        before = float(looptime)
        store.commit([Delete(KEY)])
        store.commit([Put(KEY, b"{}")])
        assert await lost == "the leader's key is gone, or another's"
        assert float(looptime) - before < 0.5


async def test_a_leader_that_writes_its_key_again_goes_on_leading() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,), asyncio.TaskGroup() as group:
        leadership = await only.elected()
        lost = group.create_task(leadership.lost())
        for _ in range(5):
            await asyncio.sleep(20)
            store.commit([Put(KEY, leadership.entry.value, leadership.entry.lease)])
            await only.registry.break_watches()
        assert not lost.done()
        lost.cancel()


async def test_a_short_outage_costs_no_leadership() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,), asyncio.TaskGroup() as group:
        leadership = await only.elected()
        lost = group.create_task(leadership.lost())
        for _ in range(10):
            await asyncio.sleep(6)
            await only.registry.cut(off=True)
            await asyncio.sleep(2)
            await only.registry.cut(off=False)
        assert not lost.done()
        lost.cancel()


async def test_a_key_that_nobodys_lease_holds_is_waited_for() -> None:
    store = virtual_store()
    store.commit([Put(KEY, b"an operator wrote this")])
    async with candidates(store, 1) as (only,), asyncio.TaskGroup() as group:
        waiting = group.create_task(only.elected())
        await asyncio.sleep(100)
        assert not waiting.done()
        store.commit([Delete(KEY)])
        await waiting


async def test_a_term_begins_with_the_key_written_even_where_it_is_ours() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,):
        before = await only.elected()
        again = await only.elected()
        assert again.entry == store.get(KEY)
        assert again.entry.create_revision == before.entry.create_revision
        with pytest.raises(GuardFailedError):
            await only.registry.commit([Put("/x", b"")], guards=[guard_of(before)])


async def test_a_resignation_that_comes_late_does_not_end_the_next_term() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,), asyncio.TaskGroup() as group:
        before = await only.elected()
        read: asyncio.Future[None] = asyncio.Future()
        send, go_on = only.registry.commit, asyncio.Event()

        async def commit_later(writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
            read.set_result(None)
            await go_on.wait()
            return await send(writes, guards=guards)

        only.registry.commit = commit_later  # type: ignore[method-assign]
        late = group.create_task(before.resign())
        await read
        only.registry.commit = send  # type: ignore[method-assign]
        again = await only.elected()
        go_on.set()
        await late
        assert store.get(KEY) == again.entry


async def test_a_leader_ends_where_a_store_that_was_set_back_has_another_of_the_same_revision() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,):
        leadership = await only.elected()
        empty = virtual_store()
        empty.grant(TTL)
        empty.commit([Put(KEY, b"another", empty.grant(TTL))])
        other = empty.get(KEY)
        assert other is not None
        assert other.create_revision == leadership.entry.create_revision
        there = Leadership(MemoryRegistry(empty), only.renewer, leadership.entry)
        await there.resign()
        assert empty.get(KEY) == other
        assert await there.lost() == "the leader's key is gone, or another's"


async def test_nobody_leads_with_a_lease_that_may_have_run_out(looptime: float) -> None:
    """As when a process was frozen: what it held until then it still has, and nobody has renewed it."""
    store = virtual_store()
    renewer = Renewer(MemoryRegistry(store), TTL, asyncio.get_running_loop().time)
    election = Election(MemoryRegistry(store), KEY, renewer)
    leading = await election.campaign("host-0")
    await asyncio.sleep(TTL - 0.05)
    store.renew(leading.entry.lease)
    assert await leading.lost() == "the lease could not be renewed in time"
    waiting = asyncio.create_task(election.campaign("host-0"))
    await asyncio.sleep(TTL / 2)
    assert not waiting.done()
    assert await renewer.adopt(leading.entry.lease)
    await waiting
    assert float(looptime) < 2 * TTL


async def test_a_candidate_whose_lease_is_gone_stands_with_another() -> None:
    store = virtual_store()
    async with candidates(store, 1) as (only,):
        store.revoke(await only.renewer.grant())
        leadership = await only.elected()
        assert leadership.entry.lease == only.renewer.status.lease != LeaseID(1)
        assert leadership.since_silence < 1.0


@pytest.mark.parametrize("seed", range(20))
async def test_there_is_one_leader_at_a_time_whatever_goes_wrong(seed: int) -> None:
    """Seen by the store: what two of them write under their guards never overlaps."""
    store = virtual_store()
    terms: list[str] = []

    async def serve(candidate: Candidate, dice: random.Random) -> None:
        while True:
            leadership = await candidate.elected()
            async with asyncio.TaskGroup() as term:
                lost = term.create_task(leadership.lost())
                while not lost.done():
                    try:
                        store.commit([Put("/written", candidate.name.encode())], guards=[guard_of(leadership)])
                    except GuardFailedError:
                        break
                    terms.append(f"{candidate.name}@{leadership.entry.mod_revision}")
                    await asyncio.wait([lost], timeout=dice.uniform(0.1, 3))
                lost.cancel()

    async def trouble(every: list[Candidate], dice: random.Random) -> None:
        while True:
            candidate = dice.choice(every)
            await candidate.registry.cut(off=True)
            await asyncio.sleep(dice.uniform(0, 12))
            await candidate.registry.cut(off=False)
            await asyncio.sleep(dice.uniform(0, 12))

    random.seed(seed)  # Waits between tries are cut at random too, and a failing seed is to replay.
    dice = random.Random(seed)  # noqa: S311 - not a secret
    faults = Faults(refused=0.05, unanswered=0.1, broken=0.1, delay=0.2)
    async with candidates(store, 3, faults, seed) as every, asyncio.TaskGroup() as group:
        tasks = [group.create_task(serve(candidate, dice)) for candidate in every]
        tasks.append(group.create_task(trouble(every, dice)))
        await asyncio.sleep(600)
        for task in tasks:
            task.cancel()
    changes = [term for before, term in zip(["", *terms], terms, strict=False) if term != before]
    assert len(changes) == len(set(changes)), "a term was resumed after another one"
    assert len(changes) > 3
    assert len(terms) > 100
