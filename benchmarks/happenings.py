"""What may happen to a cluster on paper between two plans, told to an index that is kept, and undone again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.clusters import REGIONS, TEXT
from fleetpy.ids import Revision, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy.planner.snapshot import Circumstances, Unit
from fleetpy.unit.requirements import Requirements

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.planner.index import Index
    from fleetpy.planner.snapshot import Snapshot

NOW = 1000.0
"""Seconds of the leader's clock, long after it took over."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens: how the index learns of it, and how many actions are to follow."""

    tell: Callable[[], None]
    undo: Callable[[], None]
    actions: int
    circumstances: Circumstances


class Kept:
    """A cluster in which all is as it is to be, and its index."""

    def __init__(self, index: Index, snapshot: Snapshot) -> None:
        self.index = index
        self.snapshot = snapshot
        self._later = replace(snapshot.circumstances, revision=Revision(snapshot.circumstances.revision + 1))
        self._fullest, _ = Counter(machine for machine, _ in snapshot.placements).most_common(1)[0]

    def nothing(self) -> Happening:
        """Time goes on."""
        return Happening(_nothing, _nothing, 0, self._later)

    def lose_fullest_machine(self) -> Happening:
        """The machine with the most units is lost, and with it what its agent reported; all but global ones move."""
        snapshot, index, lost = self.snapshot, self.index, self._fullest
        reports = {pair: report for pair, report in snapshot.reports.items() if pair[0] == lost}
        moving = sum(not snapshot.units[name].requirements.is_global for _, name in reports)

        def tell() -> None:
            index.set_machine(lost, None)
            for pair in reports:
                index.set_report(pair, None)

        def undo() -> None:
            index.set_machine(lost, snapshot.machines[lost])
            for pair, report in reports.items():
                index.set_report(pair, report)

        return Happening(tell, undo, 2 * moving, replace(self._later, lost_at={lost: NOW}))

    def add_unit(self) -> Happening:
        """One more unit, which asks for a region, and goes there."""
        name = UnitName("newcomer.service")
        wish = Requirements(metadata=(("region", frozenset({REGIONS[0]})),))
        unit = Unit(name, UnitUID(self._later.revision), TEXT, UnitGoal.LAUNCHED, wish)
        index = self.index
        return Happening(lambda: index.set_unit(name, unit), lambda: index.set_unit(name, None), 1, self._later)

    def change_report(self) -> Happening:
        """An agent says that a unit is gone from its machine. It is to be there all the same, and is placed already."""
        pair, report = next(iter(self.snapshot.reports.items()))
        index = self.index
        return Happening(lambda: index.set_report(pair, None), lambda: index.set_report(pair, report), 0, self._later)

    def destroy_unit(self) -> Happening:
        """One of the units that are nobody's leader is gone, and leaves its machine."""
        led = {leader for unit in self.snapshot.units.values() for leader in unit.requirements.machine_of}
        name, unit = next(
            (name, unit)
            for name, unit in self.snapshot.units.items()
            if not unit.requirements.is_global and name not in led
        )
        index = self.index
        return Happening(lambda: index.set_unit(name, None), lambda: index.set_unit(name, unit), 1, self._later)


def _nothing() -> None:
    pass
