"""In which order units are decided on, so that nobody has to be asked twice.

A leader before its followers, and a unit that replaces others before those that it replaces; otherwise by name. Both
kinds of edges together may close circles:

* a `Replaces` on a circle counts for nothing (the original fleet ignored two units that replace each other; here a
  circle may be longer, and may run through `MachineOf`: who replaces the unit that he follows would chase it for ever);
* a circle of `MachineOf` stays, and none of its units can be the first.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.planner.graph import circle_through, components, levels
from fleetpy.planner.patterns import PatternIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetpy.ids import UnitName
    from fleetpy.planner.snapshot import Unit

_Edges = dict["UnitName", set["UnitName"]]


class Order:
    """Who follows and who replaces whom, among the units that are wanted on machines."""

    def __init__(self, units: Mapping[UnitName, Unit]) -> None:
        wanted = {name: unit for name, unit in units.items() if unit.goal is not UnitGoal.INACTIVE}
        followed = _followed(wanted)
        replaced = _replaced(wanted)
        self._joined = _circles(_united(followed, replaced)) if replaced else {}
        straight = {
            one: {other for other in others if not self.on_one_circle(one, other)} for one, others in replaced.items()
        }
        self._followers = {leader: sorted(names) for leader, names in followed.items()}
        self._leads_to = _united(followed)
        self._levels = levels(_united(followed, straight)) if followed or straight else {}

    def on_one_circle(self, one: UnitName, other: UnitName) -> bool:
        """Whether a `Replaces` between the two would close a circle."""
        circle = self._joined.get(one)
        return circle is not None and circle == self._joined.get(other)

    def circle_of(self, name: UnitName) -> int | None:
        """What tells the unit's circle from others; None if it is on none."""
        return self._joined.get(name)

    def followers(self, leader: UnitName) -> Sequence[UnitName]:
        """The units with `MachineOf=` this one, by name."""
        return self._followers.get(leader, ())

    def level(self, name: UnitName) -> int:
        """0 for a unit that need not wait for any other's decision, more for those after it."""
        return self._levels.get(name, 0)

    def sorted(self, names: Iterable[UnitName]) -> list[UnitName]:
        """The names in the order in which they are decided on."""
        return sorted(names, key=lambda name: (self._levels.get(name, 0), name))

    def following_circle(self, name: UnitName) -> tuple[UnitName, ...]:
        """The units of a circle of `MachineOf` that this one is on, itself first, then who follows it, and so on."""
        return circle_through(self._leads_to, name) if name in self._leads_to else ()


def _followed(wanted: Mapping[UnitName, Unit]) -> _Edges:
    edges: _Edges = defaultdict(set)
    for name, unit in wanted.items():
        for leader in unit.requirements.machine_of:
            edges[leader].add(name)
    return dict(edges)


def _replaced(wanted: Mapping[UnitName, Unit]) -> _Edges:
    owners: dict[str, list[UnitName]] = defaultdict(list)
    for name, unit in wanted.items():
        for pattern in unit.requirements.replaces:
            owners[pattern].append(name)
    index = PatternIndex(owners)
    edges: _Edges = defaultdict(set)
    if index:
        for name, unit in wanted.items():
            if unit.requirements.is_global:
                continue
            for pattern in index.standing_for(name):
                for owner in owners[pattern]:
                    if owner != name:
                        edges[owner].add(name)
    return dict(edges)


def _united(*graphs: _Edges) -> _Edges:
    """A graph with the edges of all, in which every node is a key."""
    united: _Edges = {}
    for edges in graphs:
        for node, successors in edges.items():
            united.setdefault(node, set()).update(successors)
            for successor in successors:
                united.setdefault(successor, set())
    return united


def _circles(graph: _Edges) -> dict[UnitName, int]:
    circles = (component for component in components(graph) if len(component) > 1)
    return {name: number for number, circle in enumerate(circles) for name in circle}
