"""Who comes after whom among the units that are wanted on machines: leader and follower, replacing and replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.planner.patterns import PatternIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import UnitName
    from fleetpy.planner.snapshot import Unit

_NOBODY: frozenset[UnitName] = frozenset()
_Links = dict["UnitName", set["UnitName"]]


class Edges:
    """A graph over the names of `units`, which belongs to others; `change` tells of what has changed in it."""

    def __init__(self, units: Mapping[UnitName, Unit]) -> None:
        self._units = units
        self.followed: _Links = {}
        """Leader to followers; a leader need not exist."""
        self._leaders: dict[UnitName, tuple[UnitName, ...]] = {}
        self._replaced: _Links = {}
        self._replacers: _Links = {}
        self._patterns: dict[UnitName, tuple[str, ...]] = {}
        """Of those with `Replaces`."""
        self._owners: dict[str, set[UnitName]] = {}
        self._index = PatternIndex()

    def followers(self, leader: UnitName) -> AbstractSet[UnitName]:
        """The units with `MachineOf=` this one."""
        return self.followed.get(leader, _NOBODY)

    def replaced(self, name: UnitName) -> AbstractSet[UnitName]:
        """The units that this one names in its `Replaces`."""
        return self._replaced.get(name, _NOBODY)

    def after(self, name: UnitName) -> AbstractSet[UnitName]:
        """The units that are decided on after this one, unless a circle says otherwise."""
        followers, replaced = self.followers(name), self.replaced(name)
        return followers | replaced if replaced else followers

    def before(self, name: UnitName) -> AbstractSet[UnitName]:
        """The units before this one."""
        leaders, replacers = self._leaders.get(name, ()), self._replacers.get(name, _NOBODY)
        return replacers.union(leaders) if leaders else replacers

    def below(self, names: Iterable[UnitName]) -> set[UnitName]:
        """Those of the names that have anybody before or after them, and all who come after, directly or not."""
        found: set[UnitName] = set()
        edge = {name for name in names if self._ties(name)}
        while edge:
            found |= edge
            edge = {other for name in edge for other in self.after(name)} - found
        return found

    def _ties(self, name: UnitName) -> bool:
        return name in self._leaders or name in self.followed or name in self._replaced or name in self._replacers

    def change(self, names: Collection[UnitName]) -> None:
        """These units have come, gone or changed."""
        for name in names:
            self._cut(name)
        asked: dict[str, None] = {}
        for name in names:
            for pattern in self._tie(name):
                asked[pattern] = None
        if not self._index:
            return
        for name in names:
            for pattern in self._index.standing_for(name):
                self._link(pattern, name)
        for pattern, name in self._index.meeting(asked, self._units.keys()):
            self._link(pattern, name)

    def _cut(self, name: UnitName) -> None:
        for leader in self._leaders.pop(name, ()):
            _discard(self.followed, leader, name)
        for replacer in self._replacers.pop(name, ()):
            _discard(self._replaced, replacer, name)
        for other in self._replaced.pop(name, ()):
            _discard(self._replacers, other, name)
        for pattern in self._patterns.pop(name, ()):
            self._owners[pattern].discard(name)
            if self._index.remove(pattern):
                del self._owners[pattern]

    def _tie(self, name: UnitName) -> tuple[str, ...]:
        """Join it to its leaders; the patterns of those that it replaces."""
        unit = self._units.get(name)
        if unit is None or unit.goal is UnitGoal.INACTIVE:
            return ()
        wish = unit.requirements
        if wish.machine_of:
            self._leaders[name] = tuple(dict.fromkeys(wish.machine_of))
            for leader in self._leaders[name]:
                self.followed.setdefault(leader, set()).add(name)
        if wish.replaces:
            self._patterns[name] = tuple(dict.fromkeys(wish.replaces))
            for pattern in self._patterns[name]:
                self._owners.setdefault(pattern, set()).add(name)
                self._index.add(pattern)
        return wish.replaces

    def _link(self, pattern: str, name: UnitName) -> None:
        """Join the unit to those that replace it by this pattern."""
        unit = self._units.get(name)
        if unit is None or unit.goal is UnitGoal.INACTIVE or unit.requirements.is_global:
            return
        for owner in self._owners[pattern]:
            if owner != name:
                self._replaced.setdefault(owner, set()).add(name)
                self._replacers.setdefault(name, set()).add(owner)


def _discard(links: _Links, one: UnitName, other: UnitName) -> None:
    links[one].discard(other)
    if not links[one]:
        del links[one]
