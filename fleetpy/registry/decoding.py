"""From a key and its value to what it means: one small class for each kind of value in the registry.

They are slotted and share their strings, since the scheduler and the API hold a hundred thousand of them.

What cannot be read must not look as if it were gone: a unit whose record is unreadable would be stopped, a machine
would be given up, a unit's remains overlooked. So those three are decoded to a value that says so; for the others
`ValueError` is raised, and the view passes them over.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING

from fleetpy.errors import InvalidUnitFileError, InvalidUnitNameError
from fleetpy.ids import NO_LEASE, Epoch, LeaseID, MachineID, Revision, UnitHash, UnitName, UnitUID
from fleetpy.model.cluster import Placement, Report
from fleetpy.model.records import (
    BrakeRecord,
    BrakeReleaseRecord,
    LeaderRecord,
    MachineRecord,
    MachineSettingsRecord,
    PlacementRecord,
    StateRecord,
    UnitFileRecord,
    UnitRecord,
)
from fleetpy.model.states import UnitGoal
from fleetpy.registry.keys import Keys, split_machine_and_unit
from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fleetpy.registry.protocol import Entry

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredUnit:
    """`units/<name>`."""

    name: UnitName
    uid: UnitUID
    mod_revision: Revision
    desired: UnitGoal
    hash: UnitHash
    restarted: str | None
    changed_at: datetime
    changed_by: str

    @property
    def record(self) -> UnitRecord:
        """The value as it stands in the registry."""
        return UnitRecord(
            desired=self.desired,
            hash=self.hash,
            restarted=self.restarted,
            changed_at=self.changed_at,
            changed_by=self.changed_by,
        )


@dataclass(frozen=True, slots=True)
class UnreadableUnit:
    """`units/<name>` with a value that is none of ours; `problem` says what is wrong with it."""

    name: UnitName
    problem: str


@dataclass(frozen=True, slots=True)
class StoredUnitFile:
    """`unit-files/<hash>`; `file` is None if `problem` says why it is no unit file, or not the one of that hash."""

    hash: UnitHash
    mod_revision: Revision
    file: UnitFile | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class StoredMachine:
    """`machines/<id>`; `record` is None if its value is none of ours: the machine lives, and no more is known."""

    id: MachineID
    mod_revision: Revision
    record: MachineRecord | None
    lease: LeaseID = NO_LEASE
    """What holds the key; no agent's key is without one."""


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """`machine-settings/<id>`."""

    machine: MachineID
    mod_revision: Revision
    record: MachineSettingsRecord


@dataclass(frozen=True, slots=True)
class StoredState:
    """`states/<machine>/<name>`: the planner's part of it is `report`, the rest are `StateRecord`'s fields."""

    report: Report
    goal: UnitGoal = UnitGoal.INACTIVE
    restarted: str | None = None
    load: str = ""
    active: str = ""
    sub: str = ""
    result: str = ""
    since: datetime | None = None
    problem: str | None = None

    @property
    def machine(self) -> MachineID:
        """The machine that reports it."""
        return self.report.machine

    @property
    def name(self) -> UnitName:
        """The unit."""
        return self.report.name


@dataclass(frozen=True, slots=True)
class StoredLeader:
    """`scheduler/leader`."""

    record: LeaderRecord


@dataclass(frozen=True, slots=True)
class StoredBrake:
    """`scheduler/brake`."""

    record: BrakeRecord


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """`scheduler/released`."""

    record: BrakeReleaseRecord
    mod_revision: Revision


Decoded = (
    StoredUnit
    | UnreadableUnit
    | StoredUnitFile
    | StoredMachine
    | StoredSettings
    | Placement
    | StoredState
    | StoredLeader
    | StoredBrake
    | StoredRelease
)

NOBODYS = UnitUID(0)
"""The uid in the report of a state that cannot be read: no unit has it, so it counts as what is left of another."""


def decoder(keys: Keys) -> Callable[[Entry], Decoded | None]:
    """What a `View` of the whole prefix decodes with. Keys of no known kind are None: a newer fleetpy's."""
    kinds: list[tuple[str, Callable[[str, Entry], Decoded]]] = [
        (keys.states, _state),
        (keys.placements, _placement),
        (keys.units, _unit),
        (keys.unit_files, _unit_file),
        (keys.machines, _machine),
        (keys.machine_settings, _settings),
        (keys.leader, _leader),
        (keys.brake, _brake),
        (keys.brake_release, _release),
    ]

    def decode(entry: Entry) -> Decoded | None:
        for prefix, read in kinds:
            if entry.key.startswith(prefix):
                return read(entry.key[len(prefix) :], entry)
        return None

    return decode


def _unit(rest: str, entry: Entry) -> Decoded:
    name = UnitName(rest)
    try:
        parse_unit_name(name)
        record = UnitRecord.decode(entry.value)
    except InvalidUnitNameError as error:
        return UnreadableUnit(name, str(error))
    except ValueError as error:
        return UnreadableUnit(name, str(error))
    return StoredUnit(
        name=name,
        uid=UnitUID(entry.create_revision),
        mod_revision=entry.mod_revision,
        desired=record.desired,
        hash=UnitHash(intern(record.hash)),
        restarted=record.restarted,
        changed_at=record.changed_at,
        changed_by=intern(record.changed_by),
    )


def _unit_file(rest: str, entry: Entry) -> Decoded:
    unit_hash = UnitHash(intern(rest))
    try:
        file = UnitFile.parse(UnitFileRecord.decode(entry.value).text)
    except InvalidUnitFileError as error:
        return StoredUnitFile(unit_hash, entry.mod_revision, None, str(error))
    except ValueError as error:
        return StoredUnitFile(unit_hash, entry.mod_revision, None, str(error))
    if file.hash != unit_hash:
        return StoredUnitFile(unit_hash, entry.mod_revision, None, f"its text has another hash, {file.hash}")
    return StoredUnitFile(unit_hash, entry.mod_revision, file)


def _machine(rest: str, entry: Entry) -> Decoded:
    machine = MachineID(intern(rest))
    try:
        record = MachineRecord.decode(entry.value)
    except ValueError as error:
        _log.error("%s cannot be read, so the machine gets no units: %s", entry.key, error)
        record = None
    return StoredMachine(machine, entry.mod_revision, record, entry.lease)


def _settings(rest: str, entry: Entry) -> Decoded:
    return StoredSettings(MachineID(intern(rest)), entry.mod_revision, MachineSettingsRecord.decode(entry.value))


def _placement(rest: str, entry: Entry) -> Decoded:
    machine, name = _pair(rest)
    record = PlacementRecord.decode(entry.value)
    return Placement(
        machine=machine,
        name=name,
        uid=record.uid,
        hash=UnitHash(intern(record.hash)),
        goal=record.goal,
        epoch=record.epoch,
        restarted=record.restarted,
        stops=record.stops,
    )


def _state(rest: str, entry: Entry) -> Decoded:
    machine, name = _pair(rest)
    try:
        record = StateRecord.decode(entry.value)
    except ValueError as error:
        problem = str(error)
        _log.error("%s cannot be read, so something of the unit may be on that machine: %s", entry.key, problem)
        return StoredState(Report(machine, name, NOBODYS, Epoch(0)), problem=f"its state cannot be read: {problem}")
    return StoredState(
        report=Report(
            machine=machine,
            name=name,
            uid=record.uid,
            epoch=record.epoch,
            refused=record.refused,
            hash=UnitHash(intern(record.hash)),
            adrift=bool(record.adrift),
        ),
        goal=record.goal,
        restarted=record.restarted,
        load=intern(record.load),
        active=intern(record.active),
        sub=intern(record.sub),
        result=intern(record.result),
        since=record.since,
        problem=record.problem,
    )


def _leader(_: str, entry: Entry) -> Decoded:
    return StoredLeader(LeaderRecord.decode(entry.value))


def _brake(_: str, entry: Entry) -> Decoded:
    return StoredBrake(BrakeRecord.decode(entry.value))


def _release(_: str, entry: Entry) -> Decoded:
    return StoredRelease(BrakeReleaseRecord.decode(entry.value), entry.mod_revision)


def _pair(rest: str) -> tuple[MachineID, UnitName]:
    pair = split_machine_and_unit(rest)
    if pair is None:
        raise ValueError("the key is not <machine>/<unit>")
    return MachineID(intern(pair[0])), UnitName(intern(pair[1]))
