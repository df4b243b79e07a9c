"""The cluster's tables: fed by a view, asked by the scheduler and the API."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import Epoch, MachineID, Revision, SessionID, UnitHash, UnitName, UnitUID
from fleetpy.model.cluster import Machine, Placement, Report, Unit
from fleetpy.model.records import (
    LeaderRecord,
    MachineRecord,
    MachineSettingsRecord,
    PlacementRecord,
    Record,
    StateRecord,
    UnitFileRecord,
    UnitRecord,
)
from fleetpy.model.states import UnitGoal
from fleetpy.planner.snapshot import Circumstances, Snapshot
from fleetpy.registry.cluster import Decoded, Tables
from fleetpy.registry.keys import Keys
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, Put
from fleetpy.registry.view import Changes, View
from fleetpy.unit.file import UnitFile
from fleetpy.unit.requirements import Requirements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fleetpy.registry.protocol import Write

pytestmark = pytest.mark.looptime

KEYS = Keys("/t/")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
M1, M2 = MachineID("1" * 32), MachineID("2" * 32)
WEB, DB = UnitName("web.service"), UnitName("db.service")
PLAIN = UnitFile.parse("[Service]\nExecStart=/bin/true\n")
EU = UnitFile.parse("[Service]\nExecStart=/bin/true\n[X-Fleet]\nMachineMetadata=region=eu\n")
WRONG = UnitFile.parse("[Service]\nExecStart=/bin/true\n[X-Fleet]\nNoSuchOption=1\n")
IN_EU = Requirements(metadata=(("region", frozenset({"eu"})),))


def put(key: str, record: Record) -> Put:
    return Put(key, record.encode())


def file(unit_file: UnitFile) -> Put:
    return put(KEYS.unit_file(unit_file.hash), UnitFileRecord(text=unit_file.text))


def unit(name: UnitName, unit_file: UnitFile = PLAIN, goal: UnitGoal = UnitGoal.LAUNCHED) -> Put:
    return put(KEYS.unit(name), UnitRecord(desired=goal, hash=unit_file.hash, changed_at=NOW, changed_by="root"))


def machine(machine_id: MachineID, **metadata: str) -> Put:
    record = MachineRecord(
        id=machine_id, session=SessionID("s"), hostname="h", public_ip="10.0.0.1", metadata=metadata, version="1"
    )
    return put(KEYS.machine(machine_id), record)


def settings(machine_id: MachineID, record: MachineSettingsRecord) -> Put:
    return put(KEYS.settings(machine_id), record)


def placement(machine_id: MachineID, name: UnitName, epoch: int = 7, goal: UnitGoal = UnitGoal.LAUNCHED) -> Put:
    record = PlacementRecord(uid=UnitUID(5), hash=PLAIN.hash, goal=goal, epoch=Epoch(epoch))
    return put(KEYS.placement(machine_id, name), record)


def state(machine_id: MachineID, name: UnitName, epoch: int = 7, active: str = "active", refused: str = "") -> Put:
    record = StateRecord(
        uid=UnitUID(5), epoch=Epoch(epoch), hash=PLAIN.hash, active=active, since=NOW, refused=refused or None
    )
    return put(KEYS.state(machine_id, name), record)


class Cluster:
    """Tables over a store in memory, and what they said to each batch of changes."""

    def __init__(self) -> None:
        self.store = MemoryStore(clock=asyncio.get_running_loop().time)
        self.tables = Tables(KEYS)
        self.view: View[Decoded] = View(MemoryRegistry(self.store), KEYS.prefix, self.tables.decode)
        self.view.subscribe(self.tables.apply)
        self.view.subscribe(self._note)
        self.mattered: list[bool] = []

    async def write(self, *writes: Write) -> Revision:
        revision = self.store.commit(writes)
        await self.view.at_least(revision)
        return revision

    def _note(self, changes: Changes[Decoded]) -> None:
        self.mattered.append(self.tables.matters_to_planning(changes))


@asynccontextmanager
async def running() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(cluster.view.run())
        await cluster.view.synced()
        cluster.mattered.clear()
        yield cluster
        task.cancel()


async def test_a_snapshot_has_everything_at_one_revision() -> None:
    async with running() as cluster:
        created = await cluster.write(file(EU), unit(WEB, EU), machine(M1, region="eu"))
        await cluster.write(placement(M1, WEB), settings(M1, MachineSettingsRecord(metadata={"disk": "ssd"})))
        revision = await cluster.write(state(M1, WEB))
        circumstances = Circumstances(revision, lost_at={M2: 3.0}, led_since=1.5)
        assert cluster.tables.snapshot(circumstances) == Snapshot(
            circumstances=circumstances,
            machines={M1: Machine(M1, {"region": "eu", "disk": "ssd"})},
            units={WEB: Unit(WEB, UnitUID(created), EU.hash, UnitGoal.LAUNCHED, IN_EU)},
            placements={
                (M1, WEB): Placement(M1, WEB, UnitUID(5), PLAIN.hash, UnitGoal.LAUNCHED, Epoch(7)),
            },
            reports={(M1, WEB): Report(M1, WEB, UnitUID(5), Epoch(7), None, PLAIN.hash)},
        )


async def test_a_snapshot_does_not_change_afterwards() -> None:
    async with running() as cluster:
        await cluster.write(file(PLAIN), unit(WEB), machine(M1), placement(M1, WEB), state(M1, WEB))
        snapshot = cluster.tables.snapshot()
        await cluster.write(*(Delete(key) for key in (KEYS.unit(WEB), KEYS.machine(M1), KEYS.placement(M1, WEB))))
        assert list(snapshot.units) == [WEB]
        assert list(snapshot.machines) == [M1]
        assert list(snapshot.placements) == [(M1, WEB)]
        assert not cluster.tables.snapshot().units


async def test_what_an_operator_set_goes_on_top_of_what_the_agent_says() -> None:
    async with running() as cluster:
        record = MachineSettingsRecord(metadata={"region": "us", "rack": None, "disk": "ssd"}, draining=True)
        await cluster.write(settings(M1, record))
        assert not cluster.tables.planned_machines
        await cluster.write(machine(M1, region="eu", rack="7", cpu="arm"))
        expected = Machine(M1, {"region": "us", "cpu": "arm", "disk": "ssd"}, cordoned=False, draining=True)
        assert cluster.tables.planned_machines == {M1: expected}
        await cluster.write(Delete(KEYS.settings(M1)))
        assert cluster.tables.planned_machines == {M1: Machine(M1, {"region": "eu", "rack": "7", "cpu": "arm"})}
        await cluster.write(Delete(KEYS.machine(M1)))
        assert not cluster.tables.planned_machines


async def test_a_unit_keeps_its_uid_through_changes_and_gets_another_when_it_is_made_again() -> None:
    async with running() as cluster:
        created = await cluster.write(file(PLAIN), unit(WEB))
        changed = await cluster.write(unit(WEB, goal=UnitGoal.LOADED))
        stored = cluster.tables.units[WEB]
        assert (stored.uid, stored.mod_revision, stored.desired) == (UnitUID(created), changed, UnitGoal.LOADED)
        assert UnitRecord.decode(stored.record.encode()) == stored.record
        await cluster.write(Delete(KEYS.unit(WEB)))
        again = await cluster.write(unit(WEB))
        assert cluster.tables.planned_units[WEB].uid == UnitUID(again)


async def test_a_unit_whose_file_is_missing_waits_for_it() -> None:
    async with running() as cluster:
        await cluster.write(unit(WEB, EU))
        assert cluster.tables.left_out == {WEB: f"its unit file {EU.hash} is missing; submit the unit again"}
        await cluster.write(file(EU))
        assert not cluster.tables.left_out
        assert cluster.tables.planned_units[WEB].requirements == IN_EU
        assert cluster.mattered == [True, True]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (file(WRONG), "NoSuchOption"),
        (Put(KEYS.unit_file(WRONG.hash), b"{}"), "cannot be used"),
        (put(KEYS.unit_file(WRONG.hash), UnitFileRecord(text="[Service]\n\\")), "cannot be used"),
        (put(KEYS.unit_file(WRONG.hash), UnitFileRecord(text=PLAIN.text)), PLAIN.hash),
    ],
    ids=["invalid-requirement", "no-record", "no-unit-file", "another-hash"],
)
async def test_a_unit_whose_file_cannot_be_used_stays_as_it_is(
    value: Put, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as cluster:
        await cluster.write(file(PLAIN), unit(DB), placement(M1, DB), state(M1, DB))
        await cluster.write(value, unit(WEB, WRONG), placement(M1, WEB), state(M1, WEB), placement(M2, WEB))
        assert reason in cluster.tables.left_out[WEB]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        snapshot = cluster.tables.snapshot()
        assert list(snapshot.units) == [DB]
        assert list(snapshot.placements) == [(M1, DB)]
        assert list(snapshot.reports) == [(M1, DB)]
        assert len(cluster.tables.placements) == 3
        await cluster.write(unit(WEB, PLAIN))
        assert not cluster.tables.left_out
        assert len(cluster.tables.snapshot().placements) == 3


async def test_a_unit_whose_record_cannot_be_read_is_not_taken_for_destroyed() -> None:
    async with running() as cluster:
        await cluster.write(file(PLAIN), unit(WEB), placement(M1, WEB))
        await cluster.write(Put(KEYS.unit(WEB), b'{"desired": "afloat"}'))
        assert WEB not in cluster.tables.units
        assert "cannot be read" in cluster.tables.left_out[WEB]
        assert not cluster.tables.snapshot().placements
        await cluster.write(Delete(KEYS.unit(WEB)))
        assert not cluster.tables.left_out
        assert len(cluster.tables.snapshot().placements) == 1


async def test_a_machine_whose_record_cannot_be_read_lives_and_takes_nothing_new() -> None:
    async with running() as cluster:
        await cluster.write(Put(KEYS.machine(M1), b"?"), settings(M1, MachineSettingsRecord(metadata={"a": "b"})))
        assert cluster.tables.planned_machines == {M1: Machine(M1, {"a": "b"}, cordoned=True)}


async def test_a_state_that_cannot_be_read_still_says_that_something_is_there() -> None:
    async with running() as cluster:
        await cluster.write(Put(KEYS.state(M1, WEB), b"?"))
        assert cluster.tables.snapshot().reports == {(M1, WEB): Report(M1, WEB, UnitUID(0), Epoch(0))}
        assert "cannot be read" in (cluster.tables.states[M1, WEB].problem or "")


async def test_other_values_that_cannot_be_read_and_keys_of_no_known_kind_are_passed_over() -> None:
    async with running() as cluster:
        await cluster.write(
            Put(KEYS.placement(M1, WEB), b"?"),
            Put(KEYS.settings(M1), b"?"),
            Put(KEYS.leader, b"?"),
            Put(f"{KEYS.placements}no-machine", b"{}"),
            Put(f"{KEYS.prefix}later/x", b"{}"),
        )
        await cluster.write(*(Delete(key) for key in (KEYS.placement(M1, WEB), f"{KEYS.prefix}later/x")))
        assert cluster.tables.snapshot() == Snapshot(Circumstances(cluster.tables.revision), {}, {}, {}, {})


async def test_placements_and_states_are_found_from_either_side() -> None:
    async with running() as cluster:
        await cluster.write(*(placement(*pair) for pair in ((M2, WEB), (M1, WEB), (M1, DB))))
        await cluster.write(*(state(*pair) for pair in ((M2, WEB), (M1, WEB), (M1, DB))))
        for table in (cluster.tables.placements, cluster.tables.states):
            assert [value.machine for value in table.of_unit(WEB)] == [M1, M2]
            assert [value.name for value in table.of_machine(M1)] == [DB, WEB]
            assert table.machines == {M1, M2}
        assert cluster.tables.placed_machines() == {M1, M2}
        await cluster.write(Delete(KEYS.placement(M2, WEB)), Delete(KEYS.state(M2, WEB)))
        for table in (cluster.tables.placements, cluster.tables.states):
            assert [value.machine for value in table.of_unit(WEB)] == [M1]
            assert table.machines == {M1}
            assert (M2, WEB) not in table


async def test_the_leader_is_known_while_there_is_one() -> None:
    async with running() as cluster:
        await cluster.write(put(KEYS.leader, LeaderRecord(identity="host", since=NOW)))
        assert cluster.tables.leader is not None
        assert cluster.tables.leader.record.identity == "host"
        await cluster.write(Delete(KEYS.leader))
        assert cluster.tables.leader is None
        assert cluster.mattered == [False, False]


async def test_what_a_plan_itself_brings_about_does_not_matter_to_planning() -> None:
    async with running() as cluster:
        await cluster.write(file(PLAIN), unit(WEB), machine(M1))
        cluster.mattered.clear()
        await cluster.write(placement(M1, WEB))
        await cluster.write(state(M1, WEB))
        await cluster.write(state(M1, WEB, active="failed"))
        assert cluster.mattered == [False, False, False]


@pytest.mark.parametrize(
    "write",
    [
        state(M1, WEB, refused="the host has a unit of that name"),
        state(M1, WEB, epoch=6),
        state(M2, WEB),
        Delete(KEYS.state(M1, DB)),
        Delete(KEYS.placement(M1, WEB)),
        placement(M1, WEB, goal=UnitGoal.INACTIVE),
        machine(M2),
        Delete(KEYS.machine(M1)),
        settings(M1, MachineSettingsRecord(cordoned=True)),
        unit(WEB, goal=UnitGoal.INACTIVE),
        Delete(KEYS.unit(WEB)),
    ],
)
async def test_what_can_change_a_plan_matters(write: Write) -> None:
    async with running() as cluster:
        await cluster.write(file(PLAIN), unit(WEB), machine(M1), placement(M1, WEB), state(M1, DB))
        cluster.mattered.clear()
        await cluster.write(write)
        assert cluster.mattered == [True]


async def test_changes_that_the_tables_did_not_apply_last_may_matter() -> None:
    assert Tables(KEYS).matters_to_planning(Changes(Revision(1), {}, frozenset()))


def random_write(dice: random.Random) -> Write:
    names, machines = [WEB, DB, UnitName("x@1.service"), UnitName("no unit")], [M1, M2]
    name, one, unit_file = dice.choice(names), dice.choice(machines), dice.choice([PLAIN, EU, WRONG])
    good: Put = dice.choice(
        [
            file(unit_file),
            unit(name, unit_file),
            machine(one, region=dice.choice(["eu", "us"])),
            settings(one, MachineSettingsRecord(cordoned=dice.random() < 0.5)),
            placement(one, name, dice.randint(1, 3)),
            state(one, name, dice.randint(1, 3)),
            put(KEYS.leader, LeaderRecord(identity="host", since=NOW)),
        ]
    )
    writes: list[Write] = [good, good, good, Delete(good.key), Put(good.key, b"?")]
    return dice.choice(writes)


@pytest.mark.parametrize("seed", range(10))
async def test_tables_that_followed_every_change_are_those_that_read_the_end(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a failing seed replays
    async with running() as followed:
        for _ in range(200):
            await followed.write(random_write(dice))
            # What was read from a file stays with its units if the file goes bad, so there a newcomer would differ.
            good = {stored.hash for stored in followed.tables.unit_files.values() if stored.file is not None}
            used = {stored.hash for stored in followed.tables.units.values()}
            await followed.write(*(file(one) for one in (PLAIN, EU, WRONG) if one.hash in used - good))
        read = Tables(KEYS)
        view: View[Decoded] = View(MemoryRegistry(followed.store), KEYS.prefix, read.decode)
        view.subscribe(read.apply)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(view.run())
            await view.at_least(followed.store.revision)
            task.cancel()
        one, other = followed.tables, read
        assert one.snapshot().units == other.snapshot().units
        assert one.snapshot().machines == other.snapshot().machines
        assert one.snapshot().placements == other.snapshot().placements
        assert one.snapshot().reports == other.snapshot().reports
        assert one.left_out == other.left_out
        assert one.leader == other.leader
        assert (one.units, one.unit_files, one.settings) == (other.units, other.unit_files, other.settings)


def test_a_hash_is_shared_between_the_values_that_carry_it() -> None:
    tables = Tables(KEYS)
    store = MemoryStore()
    store.commit([unit(WEB), unit(DB)])
    first, second = (tables.decode(entry) for entry in store.read(KEYS.units).entries)
    assert first is not None
    assert second is not None
    assert UnitHash(getattr(first, "hash", "")) is getattr(second, "hash", "other")
