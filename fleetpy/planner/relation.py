"""Who on a machine names whom, by one of the options whose values are patterns (`Conflicts`, `Replaces`)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fleetpy.planner.patterns import PatternIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fleetpy.ids import MachineID, UnitName

_Places = dict[str, dict["MachineID", set["UnitName"]]]


class Relation:
    """Kept up to date as units come to machines; every question is answered for one machine, from indexes.

    Nobody is ever taken out: within one plan, a unit that is to leave still counts where it is.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._index = PatternIndex(patterns)
        self._named: _Places = defaultdict(dict)
        """For a pattern, by machine, the units there that it stands for."""
        self._naming: _Places = defaultdict(dict)
        """For a pattern, by machine, the units there that have it."""

    def add(self, machine: MachineID, name: UnitName, own: Iterable[str]) -> None:
        """A unit with these patterns of its own is on the machine."""
        for pattern in self._index.standing_for(name):
            self._named[pattern].setdefault(machine, set()).add(name)
        for pattern in own:
            self._naming[pattern].setdefault(machine, set()).add(name)

    def standing_for(self, name: UnitName) -> tuple[str, ...]:
        """The patterns, of whichever unit, that match the name."""
        return self._index.standing_for(name)

    def naming(self, machine: MachineID, name: UnitName) -> Iterator[UnitName]:
        """The units on the machine that name this one; some may come twice."""
        for pattern in self._index.standing_for(name):
            yield from _others(self._naming, pattern, machine, name)

    def named(self, machine: MachineID, name: UnitName, own: Iterable[str]) -> Iterator[UnitName]:
        """The units on the machine that this one, with these patterns, names; some may come twice."""
        for pattern in own:
            yield from _others(self._named, pattern, machine, name)

    def machines_with_named(self, own: Iterable[str]) -> set[MachineID]:
        """The machines with a unit that one of the patterns stands for."""
        return {machine for pattern in own for machine in self._named.get(pattern, ())}


def _others(places: _Places, pattern: str, machine: MachineID, name: UnitName) -> Iterator[UnitName]:
    machines = places.get(pattern)
    if machines is not None:
        for other in machines.get(machine, ()):
            if other != name:
                yield other
