"""Who is where: the working picture of the cluster, which changes while a plan is made.

Three things are told apart, for each unit and live machine:

* its **home**: it is placed there, is still wanted as that very unit (uid), and is to stay;
* **occupied**: it is, or may still be, there: a home, or one that it leaves, or a report that is left of it. Within
  one plan nothing that is occupied becomes free, since an agent has yet to stop what is there;
* **to be vacated**: occupied without being a home. The unit goes nowhere else before that is over.

A report of a refusal occupies nothing: an agent refuses only what it has not touched.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.planner.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.order import Order
    from fleetpy.planner.snapshot import Placement, Snapshot, Unit

_NOBODY: frozenset[MachineID] = frozenset()


class Occupancy:
    """Answers what the rules ask (`placement.rule.Surroundings`), from indexes over the snapshot."""

    def __init__(self, snapshot: Snapshot, order: Order) -> None:
        self.machines = snapshot.machines
        self.units = snapshot.units
        self._placements = snapshot.placements
        self._reports = snapshot.reports
        self._order = order
        requirements = [unit.requirements for unit in snapshot.units.values()]
        self.conflicts = Relation(pattern for wish in requirements for pattern in wish.conflicts)
        self.replaces = Relation(pattern for wish in requirements for pattern in wish.replaces)
        self.loads: dict[MachineID, int] = dict.fromkeys(snapshot.machines, 0)
        """How many units occupy each machine."""
        self._homes: dict[UnitName, set[MachineID]] = defaultdict(set)
        self._occupied: dict[UnitName, set[MachineID]] = defaultdict(set)
        self.lost: dict[UnitName, list[Placement]] = defaultdict(list)
        """Placements on machines that are not live, by unit."""
        for (machine, name), placement in snapshot.placements.items():
            if machine not in snapshot.machines:
                self.lost[name].append(placement)
                continue
            self._occupy(machine, name)
            unit = self.wanted(name)
            if unit is not None and unit.uid == placement.uid and placement.goal is not UnitGoal.INACTIVE:
                self._homes[name].add(machine)
        self.adrift: list[tuple[MachineID, UnitName]] = []
        """What runs on live machines though nobody knows why: the registry was set back."""
        self._refused: set[UnitName] = set()
        for (machine, name), report in snapshot.reports.items():
            if machine not in snapshot.machines:
                continue
            if report.adrift and (machine, name) not in snapshot.placements:
                self.adrift.append((machine, name))
            if report.refused is None:
                self._occupy(machine, name)
            else:
                self._refused.add(name)

    def wanted(self, name: UnitName) -> Unit | None:
        """The unit, if there is one and it is to be on a machine."""
        unit = self.units.get(name)
        return unit if unit is not None and unit.goal is not UnitGoal.INACTIVE else None

    def placement(self, machine: MachineID, name: UnitName) -> Placement:
        """The placement in the snapshot; raises `KeyError` where there is none."""
        return self._placements[machine, name]

    # What changes while a plan is made.

    def settle(self, machine: MachineID, name: UnitName) -> None:
        """The machine becomes a home of the unit."""
        self._homes[name].add(machine)
        self._occupy(machine, name)

    def leave(self, machine: MachineID, name: UnitName) -> None:
        """The machine is no longer a home of the unit, but occupied until its agent says otherwise."""
        self._homes[name].discard(machine)

    def claim(self, machine: MachineID, name: UnitName) -> None:
        """Keep room on the machine for a unit that comes when others have been stopped."""
        self._occupy(machine, name)

    def _occupy(self, machine: MachineID, name: UnitName) -> None:
        occupied = self._occupied[name]
        if machine in occupied:
            return
        occupied.add(machine)
        self.loads[machine] += 1
        unit = self.units.get(name)
        self.conflicts.add(machine, name, unit.requirements.conflicts if unit is not None else ())
        self.replaces.add(machine, name, unit.requirements.replaces if unit is not None else ())

    # Where a unit is.

    def homes(self, name: UnitName) -> Collection[MachineID]:
        """The live machines that have the unit and are to keep it."""
        return self._homes.get(name, _NOBODY)

    def all_homes(self) -> Iterator[tuple[UnitName, Collection[MachineID]]]:
        """Each unit that has ever had a home in this picture, with its homes, in no particular order."""
        return iter(self._homes.items())

    def vacating(self, name: UnitName) -> Collection[MachineID]:
        """The live machines that are still to be rid of the unit, or kept free for it."""
        return self._occupied.get(name, _NOBODY) - set(self.homes(name))

    def occupies(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the unit is, or may still be, on the machine."""
        return machine in self._occupied.get(name, _NOBODY)

    # What the rules ask.

    def has(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the machine is a home of the unit."""
        return machine in self._homes.get(name, _NOBODY)

    def conflicting(self, machine: MachineID, unit: Unit) -> UnitName | None:
        """The first conflicting unit, by name, that occupies the machine."""
        return min(self.all_conflicting(machine, unit), default=None)

    def replacing(self, machine: MachineID, unit: Unit) -> UnitName | None:
        """The first unit, by name, that occupies the machine and replaces this one without closing a circle."""
        naming = self.replaces.naming(machine, unit.name)
        return min((other for other in naming if not self._order.on_one_circle(other, unit.name)), default=None)

    def is_reported(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the machine's agent says that something of the unit is there."""
        report = self._reports.get((machine, name))
        return report is not None and report.refused is None

    def refused(self, machine: MachineID, unit: Unit) -> str | None:
        """The agent's refusal, if it is about this uid and this text."""
        report = self._reports.get((machine, unit.name))
        if report is None or report.refused is None or report.uid != unit.uid:
            return None
        return report.refused if report.hash in (None, unit.hash) else None

    # What the planner asks beyond that.

    def is_refused_somewhere(self, name: UnitName) -> bool:
        """Whether any agent has refused a unit of this name."""
        return name in self._refused

    def all_conflicting(self, machine: MachineID, unit: Unit) -> set[UnitName]:
        """The conflicting units that occupy the machine, whichever side says so."""
        found = set(self.conflicts.naming(machine, unit.name))
        found.update(self.conflicts.named(machine, unit.name, unit.requirements.conflicts))
        return found

    def replaced_at_home(self, machine: MachineID, unit: Unit) -> list[UnitName]:
        """The units, by name, that have their home on the machine and that this one replaces."""
        named = set(self.replaces.named(machine, unit.name, unit.requirements.replaces))
        return sorted(
            name
            for name in named
            if self.has(machine, name)
            and not self.units[name].requirements.is_global
            and not self._order.on_one_circle(unit.name, name)
        )

    def machines_to_take(self, unit: Unit) -> list[MachineID]:
        """The machines, by id, that are a home of a unit that this one replaces."""
        machines = self.replaces.machines_with_named(unit.requirements.replaces)
        return sorted(machine for machine in machines if self.replaced_at_home(machine, unit))
