from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from fleetpy.errors import UnavailableError
from fleetpy.ids import Epoch, LeaseID, MachineID, Revision, SessionID, UnitHash, UnitName, UnitUID
from fleetpy.model.records import (
    BrakeRecord,
    BrakeReleaseRecord,
    LeaderRecord,
    MachineRecord,
    PlacementRecord,
    Record,
    StateRecord,
    UnitFileRecord,
    UnitRecord,
)
from fleetpy.model.states import UnitGoal
from fleetpy.planner.plan import PlanSettings
from fleetpy.registry.cluster import Decoded, Tables
from fleetpy.registry.election import new_value
from fleetpy.registry.keys import Keys
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, Put, Store
from fleetpy.registry.view import View
from fleetpy.unit.file import UnitFile
from fleetpy_scheduler.fence import DeposedError, Fence
from fleetpy_scheduler.metrics import EngineMetrics
from fleetpy_scheduler.planning import PlanningLoop, SetBackError
from fleetpy_scheduler.silence import AT_ONCE
from tests.fuzz.rubbish import rubbish
from tests.support.backup import backup, restore
from tests.support.odd_values import Complaints, odd_writes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from fleetpy.registry.protocol import Entry, Guard, LeaseTime, Write

KEYS = Keys()
M1, M2 = MachineID("1" * 32), MachineID("2" * 32)
HELLO = UnitName("hello.service")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TTL = 10.0


class LossyRegistry(MemoryRegistry):
    """Commits the next transaction without saying so, as a store whose answer is lost."""

    loses_next = False
    commits = 0
    asked = 0
    when_asked: Callable[[], object] | None = None
    """What happens when a lease is asked for the first time."""

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        self.commits += 1
        revision = await super().commit(writes, guards=guards)
        if self.loses_next:
            self.loses_next = False
            raise UnavailableError("no answer")
        return revision

    async def lease_time(self, lease: LeaseID) -> LeaseTime | None:
        self.asked += 1
        if self.when_asked is not None and self.asked == 1:
            self.when_asked()
            await asyncio.sleep(1)
        return await super().lease_time(lease)


@dataclass
class Term:
    """One leading scheduler, and a client of its own to write and look with."""

    store: MemoryStore
    client: MemoryRegistry
    registry: LossyRegistry
    loop: PlanningLoop
    view: View[Decoded]
    tables: Tables
    said: list[str]
    metrics: EngineMetrics

    async def put(self, key: str, record: Record, lease: LeaseID = LeaseID(0)) -> None:  # noqa: B008 - a number
        revision = await self.client.commit([Put(key, record.encode(), lease)])
        await self.view.at_least(revision)

    async def join(self, *machines: MachineID, ttl: float = TTL) -> None:
        for machine in machines:
            record = MachineRecord(id=machine, session=SessionID("s"), hostname="h", public_ip="192.0.2.1", version="1")
            await self.put(KEYS.machine(machine), record, await self.client.grant_lease(ttl))

    async def until_machines(self, count: int) -> None:
        there = asyncio.Event()

        def look(_: object) -> None:
            if len(self.tables.machines) == count:
                there.set()

        look(None)
        self.view.subscribe(look)
        await there.wait()

    async def want(self, name: str, text: str = "[Service]\nExecStart=/bin/true\n", goal: str = "launched") -> None:
        file = UnitFile.parse(text)
        await self.put(KEYS.unit_file(file.hash), UnitFileRecord(text=file.text))
        record = UnitRecord(desired=UnitGoal(goal), hash=file.hash, changed_at=NOW, changed_by="a test")
        await self.put(KEYS.unit(UnitName(name)), record)

    async def placements(self) -> dict[str, PlacementRecord]:
        page = await self.client.page(KEYS.placements)
        return {entry.key.removeprefix(KEYS.placements): PlacementRecord.decode(entry.value) for entry in page.entries}


async def elected(client: MemoryRegistry) -> Entry:
    value = new_value(LeaderRecord(identity="test", since=NOW))
    await client.commit([Put(KEYS.leader, value, await client.grant_lease(1000))])
    entry = await client.get(KEYS.leader)
    assert entry is not None
    return entry


@asynccontextmanager
async def leading(since_silence: float = float("inf")) -> AsyncIterator[Term]:
    clock = asyncio.get_running_loop().time
    store = MemoryStore(clock=clock)
    client, registry = MemoryRegistry(store), LossyRegistry(store)
    tables = Tables(KEYS)
    view: View[Decoded] = View(registry, KEYS.prefix, tables.decode)
    view.subscribe(tables.apply)
    said: list[str] = []
    metrics = EngineMetrics()
    loop = PlanningLoop(
        registry=registry,
        keys=KEYS,
        view=view,
        tables=tables,
        fence=Fence(registry, await elected(client)),
        settings=PlanSettings(ttl=TTL, lease=8.0, stop_bound=22.0),
        interval=30.0,
        clock=clock,
        wall_clock=lambda: NOW,
        say=said.append,
        metrics=metrics,
        check_every=0.0,
        since_silence=since_silence,
    )
    term = Term(store, client, registry, loop, view, tables, said, metrics)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(view.run())
        await view.synced()
        yield term
        following.cancel()
    assert b"index_failure_count_total 0.0" in metrics.text()
    await registry.close()
    await client.close()


@pytest.mark.looptime
async def test_a_unit_is_placed_on_the_least_loaded_machine_with_its_uid_and_the_snapshots_revision_as_epoch() -> None:
    async with leading() as term:
        await term.join(M1, M2)
        await term.want("first.service")
        await term.want("hello.service")
        seen = term.tables.revision
        turn = await term.loop.turn()
        placements = await term.placements()
        assert set(placements) == {f"{M1}/first.service", f"{M2}/hello.service"}
        unit = await term.client.get(KEYS.unit(HELLO))
        assert unit is not None
        assert placements[f"{M2}/hello.service"] == PlacementRecord(
            uid=UnitUID(unit.create_revision),
            hash=UnitRecord.decode(unit.value).hash,
            goal=UnitGoal.LAUNCHED,
            epoch=Epoch(seen),
        )
        assert (turn.complete, turn.pending) == (True, 0)


@pytest.mark.looptime
async def test_a_turn_after_a_turn_writes_nothing() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service")
        await term.loop.turn()
        written = term.registry.commits
        assert (await term.loop.turn()).written == ()
        assert term.registry.commits == written


@pytest.mark.looptime
async def test_a_dead_machines_units_go_elsewhere_in_the_turn_after_its_lease_ended() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service")
        await term.loop.turn()
        await asyncio.sleep(TTL / 2)
        await term.join(M2)
        await asyncio.sleep(TTL / 2 + 0.1)
        await term.view.at_least((await term.client.page(KEYS.machines)).revision)
        await term.loop.turn()
        placements = await term.placements()
        assert set(placements) == {f"{M2}/hello.service"}


@pytest.mark.looptime
@pytest.mark.parametrize(("since_silence", "held"), [(TTL / 2, True), (TTL * 2, False)])
async def test_a_machine_that_goes_missing_soon_after_the_registry_was_away_gets_one_ttl_to_turn_up(
    since_silence: float, *, held: bool
) -> None:
    async with leading(since_silence) as term:
        await term.join(M1, M2)
        await term.want("hello.service")
        await term.loop.turn()
        before = await term.placements()
        await asyncio.sleep(1.0)
        await lose(term, [M1])
        await term.loop.turn()
        assert (await term.placements() == before) is held
        await asyncio.sleep(TTL + 0.1)
        await term.join(M2)
        await term.loop.turn()
        assert set(await term.placements()) == {f"{M2}/hello.service"}


@pytest.mark.looptime
async def test_a_machine_found_missing_when_the_term_began_gets_one_ttl_to_turn_up() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service")
        unit = await term.client.get(KEYS.unit(HELLO))
        assert unit is not None
        record = PlacementRecord(
            uid=UnitUID(unit.create_revision),
            hash=UnitRecord.decode(unit.value).hash,
            goal=UnitGoal.LAUNCHED,
            epoch=Epoch(1),
        )
        await term.put(KEYS.placement(M2, HELLO), record)
        loop = asyncio.get_running_loop()
        first = await term.loop.turn()
        assert set(await term.placements()) == {f"{M2}/hello.service"}
        assert first.wake_at == pytest.approx(loop.time() + TTL, abs=0.1)
        await asyncio.sleep(TTL - 1.0)
        await term.join(M1)
        await asyncio.sleep(1.1)
        await term.loop.turn()
        assert set(await term.placements()) == {f"{M1}/hello.service"}


@pytest.mark.looptime
async def test_a_scheduler_whose_key_was_taken_over_writes_nothing_and_says_that_it_is_deposed() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service")
        await elected(term.client)
        with pytest.raises(DeposedError):
            await term.loop.turn()
        assert await term.placements() == {}


@pytest.mark.looptime
async def test_nothing_is_placed_on_a_machine_that_left_after_the_snapshot() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service")
        machine = await term.client.get(KEYS.machine(M1))
        assert machine is not None
        await term.client.revoke_lease(machine.lease)
        turn = await term.loop.turn()
        assert not turn.complete
        assert await term.placements() == {}
        again = await term.loop.turn()
        assert (again.complete, again.pending) == (True, 1)


@pytest.mark.looptime
async def test_a_write_whose_answer_was_lost_is_settled_by_the_fence_before_the_next_plan() -> None:
    async with leading() as term:
        await term.join(M1, M2)
        await term.want("hello.service")
        before = term.loop
        term.registry.loses_next = True
        with pytest.raises(UnavailableError):
            await before.turn()
        leader = await term.client.get(KEYS.leader)
        assert leader is not None
        turn = await before.turn()
        renewed = await term.client.get(KEYS.leader)
        assert renewed is not None
        assert renewed.mod_revision > leader.mod_revision
        assert turn.written == ()
        assert len(await term.placements()) == 1


@pytest.mark.looptime
async def test_the_loop_wakes_for_a_new_unit_and_sleeps_through_what_systemd_says() -> None:
    async with leading() as term, asyncio.TaskGroup() as group:
        await term.join(M1)
        planning = group.create_task(term.loop.run())
        await term.want("hello.service")
        await asyncio.sleep(0.1)
        placed = (await term.placements())[f"{M1}/hello.service"]
        written = term.registry.commits
        for active in ("activating", "active"):
            await term.put(
                KEYS.state(M1, HELLO),
                StateRecord(uid=placed.uid, epoch=placed.epoch, hash=placed.hash, active=active),
            )
        await asyncio.sleep(1.0)
        assert term.registry.commits == written
        assert term.said[-1] == "Leads; 1 machines, 0 units pending"
        planning.cancel()


@pytest.mark.looptime
async def test_unit_files_that_nothing_refers_to_are_collected_and_others_kept() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service", goal="inactive")
        orphan = UnitFile.parse("[Service]\nExecStart=/bin/false\n")
        await term.put(KEYS.unit_file(orphan.hash), UnitFileRecord(text=orphan.text))
        await term.loop.collect()
        left = (await term.client.page(KEYS.unit_files)).entries
        assert [entry.key for entry in left] == [
            KEYS.unit_file(UnitFile.parse("[Service]\nExecStart=/bin/true\n").hash)
        ]


@pytest.mark.looptime
async def test_nothing_is_collected_while_a_units_record_cannot_be_read() -> None:
    async with leading() as term:
        orphan = UnitFile.parse("[Service]\nExecStart=/bin/false\n")
        await term.put(KEYS.unit_file(orphan.hash), UnitFileRecord(text=orphan.text))
        revision = await term.client.commit([Put(KEYS.unit(HELLO), b"?")])
        await term.view.at_least(revision)
        await term.loop.collect()
        assert len((await term.client.page(KEYS.unit_files)).entries) == 1


def ids(first: int, count: int) -> list[MachineID]:
    return [MachineID(f"{number:032d}") for number in range(first, first + count)]


async def lose(term: Term, machines: Sequence[MachineID]) -> None:
    await term.view.at_least(await term.client.commit([Delete(KEYS.machine(machine)) for machine in machines]))


async def brake(term: Term) -> BrakeRecord | None:
    entry = await term.client.get(KEYS.brake)
    return BrakeRecord.decode(entry.value) if entry is not None else None


async def release(term: Term, *machines: MachineID) -> None:
    await term.put(
        KEYS.brake_release, BrakeReleaseRecord(machines=list(machines), released_at=NOW, released_by="a test")
    )


@pytest.mark.looptime
async def test_the_registry_says_how_the_brake_is_and_once_only() -> None:
    async with leading() as term:
        await term.join(*ids(1, 5), ttl=1000)
        for number in range(5):
            await term.want(f"web@{number}.service")
        await term.loop.turn()
        await asyncio.sleep(1)
        await lose(term, ids(1, 3))
        assert (await term.loop.turn()).written == ()
        assert await brake(term) == BrakeRecord(machines=ids(1, 3), lost=3, total=5, until=NOW + timedelta(seconds=300))
        commits = term.registry.commits
        await asyncio.sleep(10)
        await term.loop.turn()
        assert term.registry.commits == commits
        await asyncio.sleep(290)
        assert len((await term.loop.turn()).written) == 6
        assert await brake(term) is None


@pytest.mark.looptime
async def test_released_machines_lose_their_units_and_are_released_only_as_long_as_they_are_lost() -> None:
    async with leading() as term:
        await term.join(*ids(1, 5), ttl=1000)
        for number in range(5):
            await term.want(f"web@{number}.service")
        await term.loop.turn()
        await asyncio.sleep(1)
        await lose(term, ids(1, 3))
        await term.loop.turn()
        await release(term, *ids(1, 2))
        assert len((await term.loop.turn()).written) == 4
        told = await brake(term)
        assert told is not None
        assert told.machines == ids(3, 1)
        await term.join(*ids(1, 1))
        await term.loop.turn()
        assert term.tables.released == frozenset(ids(2, 1))
        await term.join(*ids(2, 2))
        await term.loop.turn()
        assert term.tables.released == frozenset()
        assert await term.client.get(KEYS.brake_release) is None
        assert await brake(term) is None


@pytest.mark.looptime
async def test_of_machines_that_vanish_together_not_even_the_first_loses_its_units() -> None:
    async with leading() as term:
        for machine in ids(1, 3):
            await term.join(machine)
            await asyncio.sleep(0.5)
        await term.join(*ids(4, 2), ttl=1000)
        for number in range(5):
            await term.want(f"web@{number}.service")
        await term.loop.turn()
        before = await term.placements()
        for gone in (1, 2, 3):
            await term.until_machines(5 - gone)
            turn = await term.loop.turn()
            assert turn.written == ()
        assert await term.placements() == before
        told = await brake(term)
        assert told is not None
        assert told.machines == ids(1, 3)


@pytest.mark.looptime
async def test_machines_that_were_silent_and_are_heard_again_let_the_brake_go() -> None:
    async with leading() as term:
        await term.join(*ids(1, 1))
        leases = [await term.client.grant_lease(12) for _ in range(2)]
        for machine, lease in zip(ids(2, 2), leases, strict=True):
            record = MachineRecord(id=machine, session=SessionID("s"), hostname="h", public_ip="192.0.2.1", version="1")
            await term.put(KEYS.machine(machine), record, lease)
        await term.join(*ids(4, 2), ttl=1000)
        for number in range(5):
            await term.want(f"web@{number}.service")
        await term.loop.turn()
        await term.until_machines(4)
        turn = await term.loop.turn()
        now = asyncio.get_running_loop().time()
        assert (turn.written, now < turn.wake_at <= now + 1) == ((), True)
        for lease in leases:
            await term.client.renew_lease(lease)
        assert len((await term.loop.turn()).written) == 2
        assert await brake(term) is None


@pytest.mark.looptime
async def test_machines_may_vanish_while_the_leases_of_others_are_asked_for() -> None:
    async with leading() as term:
        await term.join(*ids(1, AT_ONCE + 6), ttl=1000)
        await term.want("web@1.service")
        await term.loop.turn()
        vanishing = ids(AT_ONCE + 3, 2)

        async def vanish() -> None:
            await lose(term, vanishing)

        await asyncio.sleep(600)  # All are silent, so that all are asked for.
        await lose(term, ids(1, 1))
        async with asyncio.TaskGroup() as group:
            term.registry.when_asked = lambda: group.create_task(vanish())
            await term.loop.turn()
        assert not term.tables.machines.keys() & set(vanishing)


@pytest.mark.looptime
async def test_in_a_small_cluster_no_lease_is_asked_for() -> None:
    async with leading() as term:
        await term.join(M1, M2)
        await term.want("hello.service")
        await term.loop.turn()
        await lose(term, [M1])
        await asyncio.sleep(9.5)
        assert len((await term.loop.turn()).written) == 2
        assert term.registry.asked == 0


@pytest.mark.looptime
async def test_turns_and_what_they_wrote_are_counted_under_the_originals_names() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service")
        await term.want("never.service", "[X-Fleet]\nMachineMetadata=region=eu\n")
        async with asyncio.TaskGroup() as group:
            running = group.create_task(term.loop.run())
            await asyncio.sleep(1)
            running.cancel()
        told = term.metrics.text().decode().splitlines()
        for line in (
            'fleet_engine_task_count_total{type="attemptscheduleunit"} 1.0',
            "fleet_engine_pending_units 1.0",
        ):
            assert line in told
        assert "fleet_engine_reconcile_count_total 0.0" not in told


@pytest.mark.looptime
async def test_what_could_not_be_written_is_counted_as_failed() -> None:
    async with leading() as term:
        await term.join(M1)
        await term.want("hello.service")
        term.registry.loses_next = True
        with pytest.raises(UnavailableError), term.metrics.turn():
            await term.loop.turn()
        told = term.metrics.text().decode().splitlines()
        assert 'fleet_engine_task_failure_count_total{type="attemptscheduleunit"} 1.0' in told
        assert 'fleet_engine_reconcile_failure_count_total{type="run"} 1.0' in told


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(5))
async def test_rubbish_in_the_registry_keeps_no_other_unit_from_being_placed(seed: int) -> None:
    async with leading() as term:
        await term.join(M1, ttl=1000.0)
        revision = Revision(0)
        for write in rubbish(KEYS, seed, spared=(KEYS.machine(M1), KEYS.settings(M1), "scheduler/leader", HELLO)):
            revision = await term.client.commit([write])
        await term.want(HELLO)
        await term.view.at_least(revision)
        for _ in range(3):
            await term.loop.turn()
        assert f"{M1}/{HELLO}" in {
            entry.key.removeprefix(KEYS.placements) for entry in (await term.client.page(KEYS.placements)).entries
        }
        await term.loop.collect()


@pytest.mark.looptime
@settings(max_examples=25, deadline=None)
@given(odd_writes(KEYS, M1))
async def test_whatever_stands_in_the_registry_other_units_are_placed_and_it_is_told_of_once(
    writes: Sequence[Write],
) -> None:
    async with leading() as term:
        await term.join(M1, ttl=1000.0)
        with Complaints() as complaints:
            revision = Revision(0)
            for write in writes:
                if write.key != KEYS.leader:
                    revision = await term.client.commit([write])
            await term.want(HELLO)
            await term.view.at_least(revision)
            for _ in range(3):
                await term.loop.turn()
            await term.loop.collect()
        placed = [entry.key for entry in (await term.client.page(KEYS.placements)).entries]
        assert any(key.endswith(f"/{HELLO}") for key in placed)
        assert complaints.repeated() == []


@pytest.mark.looptime
async def test_once_the_registry_was_set_back_nothing_is_written_in_this_term_though_its_fence_holds() -> None:
    async with leading() as term:
        saved = backup(term.store, term.store.now)
        await term.join(M1)
        restore(term.store, saved, Store(cluster=2))
        await term.view.at_least(Revision(10**6))
        record = UnitRecord(desired=UnitGoal.LOADED, hash=UnitHash("0" * 40), changed_at=NOW, changed_by="a test")
        revision = term.store.commit([Put(KEYS.unit(HELLO), record.encode())])
        with pytest.raises(SetBackError):
            await term.loop.turn()
        assert term.store.revision == revision
