"""All that a plan is made from, kept from one plan to the next and brought up to date by what has changed.

    index = Index()
    index.set_machine(...); index.set_unit(...); ...      # each fact, when it is learnt and when it changes
    decide(index, circumstances, now, settings)           # the same plan as of a new index with the same facts

The index is told facts and nothing else, in any order, as often as one likes; everything in it follows from them. What
follows is brought up to date in one place, `refresh`, before each plan: it goes from each fact that is another than it
was to all that depends on it, and no further.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.planner.candidates import Candidates
from fleetpy.planner.facts import Facts
from fleetpy.planner.occupancy import Occupancy
from fleetpy.planner.order import Order
from fleetpy.planner.sayings import Sayings
from fleetpy.planner.unrest import Unrest

if TYPE_CHECKING:
    from collections.abc import Collection

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.facts import Pair
    from fleetpy.planner.snapshot import Machine, Placement, Report, Snapshot, Unit

_Change = tuple["UnitName", "Unit | None", "Unit | None"]


class Index:
    """The facts and what follows from them."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.order = Order(self.facts.units)
        self.occupancy = Occupancy(self.facts, self.order)
        self.candidates = Candidates(self.occupancy, self.order)
        self.sayings = Sayings(self.occupancy)
        self.unrest = Unrest(self.facts, self.occupancy, self.order)
        # What has changed since `refresh`: units and machines as they were then, placements and reports by their keys.
        # In the order in which it was told, which a set has not, and in which values lie in memory: it saves a sixth of
        # the time that a new index takes.
        self._units: dict[UnitName, Unit | None] = {}
        self._machines: dict[MachineID, Machine | None] = {}
        self._pairs: dict[Pair, None] = {}

    @classmethod
    def of(cls, snapshot: Snapshot) -> Index:
        """The index of a cluster as it is."""
        index = cls()
        for machine_id, machine in snapshot.machines.items():
            index.set_machine(machine_id, machine)
        for name, unit in snapshot.units.items():
            index.set_unit(name, unit)
        for pair, placement in snapshot.placements.items():
            index.set_placement(pair, placement)
        for pair, report in snapshot.reports.items():
            index.set_report(pair, report)
        index.refresh()
        return index

    # The facts. None: it is gone.

    def set_machine(self, machine: MachineID, value: Machine | None) -> None:
        """The machine is live, and like this."""
        before = self.facts.machines.get(machine)
        if before != value:
            self._machines.setdefault(machine, before)
            self.facts.set_machine(machine, value)

    def set_unit(self, name: UnitName, value: Unit | None) -> None:
        """The unit is wanted like this."""
        before = self.facts.units.get(name)
        if before != value:
            self._units.setdefault(name, before)
            self.facts.set_unit(name, value)

    def set_placement(self, pair: Pair, value: Placement | None) -> None:
        """The machine, live or not, is to have the unit like this."""
        if self.facts.placements.get(pair) != value:
            self._pairs[pair] = None
            self.facts.set_placement(pair, value)

    def set_report(self, pair: Pair, value: Report | None) -> None:
        """The machine's agent says this of the unit."""
        if self.facts.reports.get(pair) != value:
            self._pairs[pair] = None
            self.facts.set_report(pair, value)

    # What follows.

    def refresh(self) -> None:
        """Bring everything up to date with the facts."""
        facts = self.facts
        self._take_over_units([(name, before, facts.units.get(name)) for name, before in self._units.items()])
        self._take_over_machines()
        # As long as nothing has been shown, all are among these pairs, and looked at anyway.
        all_new = self.occupancy.is_empty
        for pair in self._pairs:
            if self._take_over_pair(pair) and not all_new:
                self._mark_around(pair)
        for name in self._units:
            self.occupancy.show_wish(name)
        for machine in self._machines:
            if machine not in facts.machines:
                self.occupancy.loads.pop(machine, None)
        self._units.clear()
        self._machines.clear()
        self._pairs.clear()
        self.unrest.look()
        self.candidates.refresh()

    def _take_over_units(self, units: Collection[_Change]) -> None:
        occupancy, unrest = self.occupancy, self.unrest
        others = [change for change in units if _asks(change[1]) != _asks(change[2])]
        self._mark_beside(others, after=False)
        for name in self.order.change([name for name, _, _ in others]):
            occupancy.stirred |= occupancy.occupied(name)
            for machine in occupancy.homes(name):
                unrest.mark(machine, name)
        occupancy.show_patterns(others)
        self._mark_beside(others, after=True)
        for name, _, unit in units:
            self._pairs.update(((machine, name), None) for machine in self.facts.places.of(name))
            is_global = unit is not None and unit.requirements.is_global
            if is_global or name in unrest.globals:
                # Also those that are just gone, on which it may have been missing.
                for machine in self.facts.machines.keys() | self._machines.keys():
                    unrest.mark(machine, name)
            if is_global:
                unrest.globals.add(name)
            else:
                unrest.globals.discard(name)

    def _mark_beside(self, units: Collection[_Change], *, after: bool) -> None:
        for name, old, new in units:
            unit = new if after else old
            if unit is not None:
                for machine in self.occupancy.homes(name):
                    self.unrest.mark_neighbours(machine, unit)

    def _take_over_machines(self) -> None:
        facts, occupancy = self.facts, self.occupancy
        for machine, before in self._machines.items():
            value = facts.machines.get(machine)
            if value is not None:
                occupancy.loads.setdefault(machine, 0)
            occupancy.stirred.add(machine)
            occupancy.stir.machines = True
            self.candidates.change(machine, before, value)
            self._pairs.update(((machine, name), None) for name in facts.on(machine))
            for name in self.unrest.globals:
                self.unrest.mark(machine, name)

    def _take_over_pair(self, pair: Pair) -> bool:
        """Whether the machine has become a home of the unit, or is none any more."""
        facts, occupancy = self.facts, self.occupancy
        machine, name = pair
        self.unrest.mark(machine, name)
        live, report = machine in facts.machines, facts.reports.get(pair)
        occupancy.note_lost(machine, name, is_lost=not live and pair in facts.placements)
        occupancy.note_refusal(machine, name, is_refused=live and report is not None and report.refused is not None)
        return occupancy.show_fact(machine, name)

    def _mark_around(self, pair: Pair) -> None:
        """Look again at those for whom it makes a difference where this unit has its home."""
        machine, name = pair
        unit = self.facts.units.get(name)
        if unit is not None:
            self.unrest.mark_neighbours(machine, unit)
            if not unit.requirements.is_global:
                for home in self.occupancy.homes(name):
                    self.unrest.mark(home, name)


def _asks(unit: Unit | None) -> object:
    """What of a unit makes a difference to others: None for one that nobody has to mind."""
    return None if unit is None else (unit.goal is UnitGoal.INACTIVE, unit.requirements)
