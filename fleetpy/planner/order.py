"""In which order units are decided on, so that nobody has to be asked twice.

A leader before its followers, and a unit that replaces others before those that it replaces; otherwise by name. Both
kinds of edges together may close circles:

* a `Replaces` on a circle counts for nothing (the original fleet ignored two units that replace each other; here a
  circle may be longer, and may run through `MachineOf`: who replaces the unit that he follows would chase it for ever);
* a circle of `MachineOf` stays, and none of its units can be the first.

When units change, circles and depths are found anew for those alone that changed and for all that depend on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.planner.edges import Edges
from fleetpy.planner.graph import circle_through, components, levels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import UnitName
    from fleetpy.planner.snapshot import Unit


class Order:
    """Who follows and who replaces whom, among the units that are wanted on machines."""

    def __init__(self, units: Mapping[UnitName, Unit]) -> None:
        self._edges = Edges(units)
        self._joined: dict[UnitName, int] = {}
        """The circle of those that are on one."""
        self._circles = 0
        """How many there have ever been."""
        self._levels: dict[UnitName, int] = {}
        """Of those that are not 0."""

    def change(self, names: Collection[UnitName]) -> set[UnitName]:
        """Take over that these units have changed; those whose circle may be another now."""
        edges = self._edges
        before = edges.below(names)
        edges.change(names)
        return self._settle(before | edges.below(names))

    def _settle(self, affected: AbstractSet[UnitName]) -> set[UnitName]:
        edges = self._edges
        graph = {name: edges.after(name) for name in affected}
        on_circles = {name for name in affected if self._joined.pop(name, None) is not None}
        if any(edges.replaced(name) for name in affected):
            for circle in components(graph):
                if len(circle) > 1:
                    self._circles += 1
                    self._joined.update(dict.fromkeys(circle, self._circles))
                    on_circles.update(circle)
        for name in on_circles:
            straight = (other for other in edges.replaced(name) if not self.on_one_circle(name, other))
            graph[name] = edges.followers(name) | frozenset(straight)
        outside = {
            name: 1 + max(self.level(other) for other in others)
            for name in affected
            if (others := edges.before(name) - affected)
        }
        for name, level in levels(graph, outside).items():
            if level:
                self._levels[name] = level
            else:
                self._levels.pop(name, None)
        return on_circles

    def on_one_circle(self, one: UnitName, other: UnitName) -> bool:
        """Whether a `Replaces` between the two would close a circle."""
        circle = self._joined.get(one)
        return circle is not None and circle == self._joined.get(other)

    def circle_of(self, name: UnitName) -> int | None:
        """What tells the unit's circle from others; None if it is on none."""
        return self._joined.get(name)

    def followers(self, leader: UnitName) -> Sequence[UnitName]:
        """The units with `MachineOf=` this one, by name."""
        return sorted(self._edges.followers(leader))

    def level(self, name: UnitName) -> int:
        """0 for a unit that need not wait for any other's decision, more for those after it."""
        return self._levels.get(name, 0)

    def sorted(self, names: Iterable[UnitName]) -> list[UnitName]:
        """The names in the order in which they are decided on."""
        return sorted(names, key=lambda name: (self._levels.get(name, 0), name))

    def following_circle(self, name: UnitName) -> tuple[UnitName, ...]:
        """The units of a circle of `MachineOf` that this one is on, itself first, then who follows it, and so on."""
        return circle_through(self._edges.followed, name)
