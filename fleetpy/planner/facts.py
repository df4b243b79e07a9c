"""What is known of the cluster: machines, units, placements and reports, from the side of machines and of units.

The only thing that a planner's index is told (`fleetpy.planner.index`); all else in it follows from this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.planner.places import Places
from fleetpy.unit.requirements import OnPartition

if TYPE_CHECKING:
    from collections.abc import Collection

    from fleetpy.ids import MachineID, UnitHash, UnitName
    from fleetpy.planner.snapshot import Machine, Placement, Report, Unit

Pair = tuple["MachineID", "UnitName"]


class Facts:
    """The tables. Values are replaced, never changed."""

    def __init__(self) -> None:
        self.machines: dict[MachineID, Machine] = {}
        """The live ones."""
        self.units: dict[UnitName, Unit] = {}
        self.placements: dict[Pair, Placement] = {}
        self.reports: dict[Pair, Report] = {}
        self.places = Places()
        """For each unit, the machines, live or not, with a placement or a report of it."""
        self.lost: set[MachineID] = set()
        """The machines that have placements and are not live."""
        self._names: dict[MachineID, set[UnitName]] = {}
        self._placed: dict[MachineID, int] = {}

    def on(self, machine: MachineID) -> Collection[UnitName]:
        """The units of which the machine, live or not, has a placement or a report."""
        return self._names.get(machine, ())

    def wanted(self, name: UnitName) -> Unit | None:
        """The unit, if there is one and it is to be on a machine."""
        unit = self.units.get(name)
        return unit if unit is not None and unit.goal is not UnitGoal.INACTIVE else None

    def is_home(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the unit is placed on the machine, which is live, and is still wanted as that very unit."""
        placement = self.placements.get((machine, name))
        if placement is None or placement.goal is UnitGoal.INACTIVE or machine not in self.machines:
            return False
        unit = self.wanted(name)
        return unit is not None and unit.uid == placement.uid

    def is_occupied(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the unit is, or may still be, on the machine, which is live."""
        if machine not in self.machines:
            return False
        return (machine, name) in self.placements or self.is_reported(machine, name)

    def is_reported(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the machine's agent says that something of the unit is there."""
        report = self.reports.get((machine, name))
        return report is not None and report.refused is None

    def is_adrift(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the machine's agent says that the unit runs there and that it does not know why."""
        report = self.reports.get((machine, name))
        return report is not None and report.adrift

    def reported_hash(self, machine: MachineID, name: UnitName) -> UnitHash | None:
        """The hash of the text that the machine's agent has of the unit, if it says so."""
        report = self.reports.get((machine, name))
        return report.hash if report is not None else None

    def may_stop(self, machine: MachineID, unit: Unit) -> bool:
        """Whether the unit stops by itself there when the machine is cut off, now or once its text has come there.

        A text without `OnPartition=stop` counts when the agent says that the one before it is gone.
        """
        if unit.requirements.on_partition is OnPartition.STOP:
            return True
        placement, report = self.placements.get((machine, unit.name)), self.reports.get((machine, unit.name))
        if report is None or report.refused is not None or report.hash == unit.hash:
            return False
        return placement.stops if placement is not None else True

    # How they change.

    def set_machine(self, machine: MachineID, value: Machine | None) -> None:
        """The machine is live and like this, or is not live."""
        if value is not None:
            self.machines[machine] = value
        else:
            self.machines.pop(machine, None)
        self._note_lost(machine)

    def set_unit(self, name: UnitName, value: Unit | None) -> None:
        """The unit is wanted like this, or there is none."""
        if value is not None:
            self.units[name] = value
        else:
            self.units.pop(name, None)

    def set_placement(self, pair: Pair, value: Placement | None) -> None:
        """The machine is to have the unit like this, or is not to have it."""
        machine, _ = pair
        more = (value is not None) - (pair in self.placements)
        if value is not None:
            self.placements[pair] = value
        else:
            self.placements.pop(pair, None)
        if more:
            self._placed[machine] = self._placed.get(machine, 0) + more
            self._note_lost(machine)
            self._note_place(pair)

    def set_report(self, pair: Pair, value: Report | None) -> None:
        """The machine's agent says this of the unit, or nothing."""
        if value is not None:
            self.reports[pair] = value
        else:
            self.reports.pop(pair, None)
        self._note_place(pair)

    def _note_lost(self, machine: MachineID) -> None:
        if not self._placed.get(machine, 0):
            self._placed.pop(machine, None)
        if machine in self._placed and machine not in self.machines:
            self.lost.add(machine)
        else:
            self.lost.discard(machine)

    def _note_place(self, pair: Pair) -> None:
        machine, name = pair
        if pair in self.placements or pair in self.reports:
            self._names.setdefault(machine, set()).add(name)
            self.places.add(name, machine)
        elif name in self._names.get(machine, ()):
            self._names[machine].remove(name)
            if not self._names[machine]:
                del self._names[machine]
            self.places.discard(name, machine)
