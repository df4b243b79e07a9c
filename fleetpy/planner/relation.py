"""Who on a machine names whom, by one of the options whose values are patterns (`Conflicts`, `Replaces`)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fleetpy.planner.patterns import PatternIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.places import Places

_Places = dict[str, dict["MachineID", set["UnitName"]]]


class Relation:
    """Kept up to date as units come to machines and leave them; every question is answered for one machine."""

    def __init__(self) -> None:
        self._index = PatternIndex()
        self._named: _Places = defaultdict(dict)
        """For a pattern, by machine, the units there that it stands for."""
        self._naming: _Places = defaultdict(dict)
        """For a pattern, by machine, the units there that have it."""

    def __bool__(self) -> bool:
        """Whether anybody has a pattern."""
        return bool(self._index)

    def begin(self, patterns: Iterable[str], occupied: Places) -> None:
        """Units have these patterns from now on; `occupied` says who is on which machines."""
        # A list, though each pattern comes once, and not a set: the order must not hang on hashes.
        new = [pattern for pattern in patterns if self._index.add(pattern)]
        if not new or not occupied:
            return
        for pattern, name in self._index.meeting(dict.fromkeys(new), occupied.names()):
            for machine in occupied.of(name):
                self._named[pattern].setdefault(machine, set()).add(name)

    def end(self, patterns: Iterable[str]) -> None:
        """Units that had these patterns no longer do; call it when they have been taken out everywhere."""
        for pattern in patterns:
            if self._index.remove(pattern):
                self._named.pop(pattern, None)

    def add(self, machine: MachineID, name: UnitName, own: Iterable[str]) -> None:
        """A unit with these patterns of its own is on the machine."""
        for pattern in self._index.standing_for(name):
            self._named[pattern].setdefault(machine, set()).add(name)
        self.add_own(machine, name, own)

    def remove(self, machine: MachineID, name: UnitName, own: Iterable[str]) -> None:
        """It is there no more; `own` as when it was added."""
        for pattern in self._index.standing_for(name):
            _discard(self._named, pattern, machine, name)
        self.remove_own(machine, name, own)

    def add_own(self, machine: MachineID, name: UnitName, own: Iterable[str]) -> None:
        """A unit that is on the machine has these patterns of its own from now on."""
        for pattern in own:
            self._naming[pattern].setdefault(machine, set()).add(name)

    def remove_own(self, machine: MachineID, name: UnitName, own: Iterable[str]) -> None:
        """It no longer has them."""
        for pattern in own:
            _discard(self._naming, pattern, machine, name)

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


def _discard(places: _Places, pattern: str, machine: MachineID, name: UnitName) -> None:
    machines = places.get(pattern, {})
    names = machines.get(machine, set())
    names.discard(name)
    if not names:
        machines.pop(machine, None)
    if not machines:
        places.pop(pattern, None)
