"""What is not as it is to be: where a plan begins, and the only places where it can begin.

Whether a unit may stay on a machine follows from what is there, and changes only with it. So it is looked at when
something there has changed (`mark`), and not for each plan; what has not been found amiss then needs no thought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fleetpy.placement.rules import MACHINE_RULES, STAYING_RULES, applying, refusal

if TYPE_CHECKING:
    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.facts import Facts, Pair
    from fleetpy.planner.occupancy import Occupancy
    from fleetpy.planner.order import Order
    from fleetpy.planner.snapshot import Unit

T = TypeVar("T")


class Unrest:
    """Kept up to date with the facts; what is drafted does not count."""

    def __init__(self, facts: Facts, occupancy: Occupancy, order: Order) -> None:
        self._facts = facts
        self._occupancy = occupancy
        self._order = order
        self._marked: dict[Pair, None] = {}
        self.unsettled: set[Pair] = set()
        """The placements on live machines that do not just stay as they are, as far as the machine by itself tells."""
        self.missing: set[tuple[UnitName, MachineID]] = set()
        """The global units that are not on machines that suit them and have not refused them."""
        self.adrift: set[Pair] = set()
        """What runs on live machines though nobody knows why: the registry was set back."""
        self.globals: set[UnitName] = set()

    def mark(self, machine: MachineID, name: UnitName) -> None:
        """Look at this unit on this machine again."""
        self._marked[machine, name] = None

    def mark_neighbours(self, machine: MachineID, unit: Unit) -> None:
        """Look again at those on the machine for whom it matters whether the unit, or one like it, is there."""
        occupancy = self._occupancy
        followers = (name for name in self._order.followers(unit.name) if occupancy.has(machine, name))
        for others in (
            occupancy.all_conflicting(machine, unit),
            occupancy.replaces.naming(machine, unit.name),
            followers,
        ):
            self._marked.update(((machine, name), None) for name in others)

    def look(self) -> None:
        """Find out how it is with what is marked."""
        for pair in self._marked:
            self._look_at(pair)
        self._marked.clear()

    def _look_at(self, pair: Pair) -> None:
        machine, name = pair
        live = machine in self._facts.machines
        placed = pair in self._facts.placements
        _note(self.unsettled, pair, so=live and placed and not self._is_settled(machine, name))
        _note(self.adrift, pair, so=live and not placed and self._facts.is_adrift(machine, name))
        if name in self.globals or (name, machine) in self.missing:
            _note(self.missing, (name, machine), so=live and self._is_missing(machine, name))

    def _is_settled(self, machine: MachineID, name: UnitName) -> bool:
        """Whether a unit that is placed on a live machine stays there, as long as no other decision moves it."""
        occupancy = self._occupancy
        unit = occupancy.wanted(name)
        if unit is None or not occupancy.has(machine, name) or occupancy.news(machine, unit):
            return False
        wish = unit.requirements
        return not (
            (not wish.is_global and len(occupancy.homes(name)) > 1)
            or refusal(applying(STAYING_RULES, unit), unit, occupancy.machines[machine], occupancy) is not None
            or any(not occupancy.has(machine, leader) for leader in wish.machine_of)
            or any(occupancy.has(machine, other) for other in occupancy.all_conflicting(machine, unit))
            or (wish.replaces and occupancy.replaced_at_home(machine, unit))
        )

    def _is_missing(self, machine: MachineID, name: UnitName) -> bool:
        """Whether a global unit is to come to a live machine, as far as the two by themselves tell."""
        occupancy = self._occupancy
        unit = occupancy.wanted(name)
        return (
            unit is not None
            and unit.requirements.is_global
            and not occupancy.occupies(machine, name)
            and occupancy.refused(machine, unit) is None
            and refusal(applying(MACHINE_RULES, unit), unit, occupancy.machines[machine], occupancy) is None
        )


def _note(found: set[T], thing: T, *, so: bool) -> None:
    if so:
        found.add(thing)
    else:
        found.discard(thing)
