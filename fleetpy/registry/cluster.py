"""The whole cluster as tables, kept up to date by a view: what the scheduler plans from and the API answers from.

    tables = Tables(keys)
    view = View(registry, keys.prefix, tables.decode)
    view.subscribe(tables.apply)            # before others subscribe: they then find the tables up to date

A unit that cannot be planned (its record or its unit file is missing or wrong) is left out of the snapshot together
with its placements and reports, so that it stays as it is; `left_out` says why.
"""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

from fleetpy.errors import FleetError, InvalidUnitFileError
from fleetpy.ids import MachineID, Revision, UnitHash, UnitName
from fleetpy.model.cluster import Machine, Placement, Report, Unit
from fleetpy.model.records import MachineSettingsRecord
from fleetpy.model.states import UnitGoal
from fleetpy.planner.snapshot import Circumstances, Snapshot
from fleetpy.registry.decoding import (
    Decoded,
    StoredBrake,
    StoredLeader,
    StoredMachine,
    StoredRelease,
    StoredSettings,
    StoredState,
    StoredUnit,
    StoredUnitFile,
    UnreadableUnit,
    decoder,
)
from fleetpy.registry.keys import Keys, split_machine_and_unit
from fleetpy.registry.pairs import Pair, PairTable
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import Requirements, read_requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from fleetpy.registry.view import Changes

__all__ = ["Decoded", "Tables"]

_log = logging.getLogger(__name__)


class Tables:
    """The cluster's units, unit files, machines, settings, placements and states; the mappings are live views."""

    def __init__(self, keys: Keys) -> None:
        self.decode = decoder(keys)
        """What the view that feeds these tables decodes with."""
        self.revision = Revision(0)
        """When something here last changed."""
        self.leader: StoredLeader | None = None
        self.brake: StoredBrake | None = None
        self.release: StoredRelease | None = None
        self.placements: PairTable[Placement] = PairTable()
        self.states: PairTable[StoredState] = PairTable()
        self._units: dict[UnitName, StoredUnit] = {}
        self._unit_files: dict[UnitHash, StoredUnitFile] = {}
        self._machines: dict[MachineID, StoredMachine] = {}
        self._settings: dict[MachineID, StoredSettings] = {}
        self._left_out: dict[UnitName, str] = {}
        # What the planner is given, kept ready.
        self._planned_units: dict[UnitName, Unit] = {}
        self._planned_machines: dict[MachineID, Machine] = {}
        self._reports: dict[Pair, Report] = {}
        self._last: Changes[Decoded] | None = None
        self._last_matters = True
        self._droppers: tuple[tuple[str, Callable[[str], bool]], ...] = (
            (keys.states, self._drop_state),
            (keys.placements, self._drop_placement),
            (keys.units, self._drop_unit),
            (keys.unit_files, self._drop_unit_file),
            (keys.machines, self._drop_machine),
            (keys.machine_settings, self._drop_settings),
            (keys.leader, self._drop_leader),
            (keys.brake, self._drop_brake),
            (keys.brake_release, self._drop_release),
        )

    @property
    def units(self) -> Mapping[UnitName, StoredUnit]:
        """The units whose record can be read."""
        return MappingProxyType(self._units)

    @property
    def unit_files(self) -> Mapping[UnitHash, StoredUnitFile]:
        """The unit files."""
        return MappingProxyType(self._unit_files)

    @property
    def machines(self) -> Mapping[MachineID, StoredMachine]:
        """The live machines."""
        return MappingProxyType(self._machines)

    @property
    def settings(self) -> Mapping[MachineID, StoredSettings]:
        """What operators set for machines, live or not."""
        return MappingProxyType(self._settings)

    @property
    def planned_units(self) -> Mapping[UnitName, Unit]:
        """The units as the planner sees them, with their requirements."""
        return MappingProxyType(self._planned_units)

    @property
    def planned_machines(self) -> Mapping[MachineID, Machine]:
        """The live machines as the planner sees them, with what operators set on top."""
        return MappingProxyType(self._planned_machines)

    @property
    def left_out(self) -> Mapping[UnitName, str]:
        """The units that the planner is not given, each with the reason in words."""
        return MappingProxyType(self._left_out)

    def placed_machines(self) -> AbstractSet[MachineID]:
        """The machines, live or not, that have placements."""
        return self.placements.machines

    @property
    def released(self) -> frozenset[MachineID]:
        """The machines that an operator has released from the brake on mass failure."""
        return frozenset(self.release.record.machines) if self.release is not None else frozenset()

    def snapshot(self, circumstances: Circumstances | None = None) -> Snapshot:
        """A frozen picture for the planner; without `circumstances`, as those see it who do not lead."""
        placements, reports = self.placements.copy(), self._reports.copy()
        for name in self._left_out:
            for placement in self.placements.of_unit(name):
                del placements[placement.machine, name]
            for state in self.states.of_unit(name):
                del reports[state.machine, name]
        return Snapshot(
            circumstances=circumstances or Circumstances(self.revision, released=self.released),
            machines=self._planned_machines.copy(),
            units=self._planned_units.copy(),
            placements=placements,
            reports=reports,
        )

    def matters_to_planning(self, changes: Changes[Decoded]) -> bool:
        """Whether the changes, the last ones applied, can make a plan come out differently.

        Not: the leader's keys, what systemd says of units, and what follows from a plan itself (placements put, and
        their machines' first word on them).
        """
        return changes is not self._last or self._last_matters

    def apply(self, changes: Changes[Decoded]) -> None:
        """Take over what a view tells. Belongs to the loop that the view runs in."""
        self.revision = changes.revision
        # Unit files first: units are made ready for the planner from them.
        values = sorted(changes.changed.values(), key=lambda value: not isinstance(value, StoredUnitFile))
        matters = [self._put(value) for value in values]
        for key in changes.removed:
            prefix, drop = next(pair for pair in self._droppers if key.startswith(pair[0]))
            matters.append(drop(key[len(prefix) :]))
        self._last, self._last_matters = changes, any(matters)

    def _put(self, value: Decoded) -> bool:
        """Take a value over; whether it matters to planning."""
        match value:
            case StoredUnit():
                self._units[value.name] = value
                self._make_ready(value)
            case UnreadableUnit():
                self._units.pop(value.name, None)
                self._leave_out(value.name, f"its record cannot be read: {value.problem}")
            case StoredUnitFile():
                self._unit_files[value.hash] = value
                return self._reconsider(value.hash)
            case StoredMachine():
                self._machines[value.id] = value
                self._combine(value.id)
            case StoredSettings():
                self._settings[value.machine] = value
                self._combine(value.machine)
            case Placement():
                self.placements.put((value.machine, value.name), value)
                # What a machine is to let go of may be gone from it already.
                return value.goal is UnitGoal.INACTIVE
            case StoredState():
                return self._put_state(value)
            case StoredLeader():
                self.leader = value
                return False
            case StoredBrake() | StoredRelease():
                return self._put_brake(value)
            case _:
                assert_never(value)
        return True

    def _put_brake(self, value: StoredBrake | StoredRelease) -> bool:
        if isinstance(value, StoredRelease):
            self.release = value
            return True
        self.brake = value
        return False

    def _make_ready(self, unit: StoredUnit) -> None:
        """Have the planner see the unit, or leave it out."""
        known = self._planned_units.get(unit.name)
        try:
            requirements = known.requirements if known and known.hash == unit.hash else self._requirements(unit)
        except FleetError as error:
            self._leave_out(unit.name, str(error))
            return
        self._left_out.pop(unit.name, None)
        self._planned_units[unit.name] = Unit(
            name=unit.name,
            uid=unit.uid,
            hash=unit.hash,
            goal=unit.desired,
            requirements=requirements,
            restarted=unit.restarted,
        )

    def _requirements(self, unit: StoredUnit) -> Requirements:
        stored = self._unit_files.get(unit.hash)
        if stored is None:
            raise InvalidUnitFileError(f"its unit file {unit.hash} is missing; submit the unit again")
        if stored.file is None:
            raise InvalidUnitFileError(f"its unit file {unit.hash} cannot be used: {stored.problem}")
        return read_requirements(parse_unit_name(unit.name), stored.file)

    def _leave_out(self, name: UnitName, reason: str) -> None:
        if self._left_out.get(name) != reason:
            _log.error("unit %s is left as it is, and not planned: %s", name, reason)
        self._left_out[name] = reason
        self._planned_units.pop(name, None)

    def _reconsider(self, unit_hash: UnitHash) -> bool:
        """A unit file came: units that were left out for want of it may no longer be."""
        waiting = [name for name in self._left_out if name in self._units and self._units[name].hash == unit_hash]
        for name in waiting:
            self._make_ready(self._units[name])
        return bool(waiting)

    def _combine(self, machine: MachineID) -> None:
        """Have the planner see the machine as its agent and its operator describe it together."""
        stored = self._machines.get(machine)
        if stored is None:
            self._planned_machines.pop(machine, None)
            return
        settings = self._settings[machine].record if machine in self._settings else MachineSettingsRecord()
        metadata = {**(stored.record.metadata if stored.record else {}), **settings.metadata}
        self._planned_machines[machine] = Machine(
            id=machine,
            metadata={key: value for key, value in metadata.items() if value is not None},
            # Of a machine that says nothing legible nothing is known that would let a unit go there.
            cordoned=settings.cordoned or stored.record is None,
            draining=settings.draining,
        )

    def _put_state(self, state: StoredState) -> bool:
        pair = (state.machine, state.name)
        before = self._reports.get(pair)
        self.states.put(pair, state)
        report = self._reports[pair] = state.report
        if report == before:
            return False
        if before is not None and before.adrift:
            return True  # It is taken over, perhaps beside another copy.
        placement = self.placements.get(pair)
        as_placed = placement is not None and (placement.uid, placement.epoch) == (report.uid, report.epoch)
        return report.refused is not None or not as_placed

    def _drop_unit(self, rest: str) -> bool:
        for table in (self._units, self._planned_units, self._left_out):
            table.pop(UnitName(rest), None)
        return True

    def _drop_unit_file(self, rest: str) -> bool:
        # Units that still have it keep the requirements that were read from it.
        self._unit_files.pop(UnitHash(rest), None)
        return False

    def _drop_machine(self, rest: str) -> bool:
        self._machines.pop(MachineID(rest), None)
        self._combine(MachineID(rest))
        return True

    def _drop_settings(self, rest: str) -> bool:
        self._settings.pop(MachineID(rest), None)
        self._combine(MachineID(rest))
        return True

    def _drop_placement(self, rest: str) -> bool:
        pair = split_machine_and_unit(rest)
        return pair is not None and self.placements.drop(pair) is not None

    def _drop_state(self, rest: str) -> bool:
        pair = split_machine_and_unit(rest)
        if pair is not None:
            self.states.drop(pair)
            self._reports.pop(pair, None)
        return True

    def _drop_leader(self, _: str) -> bool:
        self.leader = None
        return False

    def _drop_brake(self, _: str) -> bool:
        self.brake = None
        return False

    def _drop_release(self, _: str) -> bool:
        self.release = None
        return True
