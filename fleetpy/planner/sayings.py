"""Why units wait, in words, kept from one plan to the next for as long as it stays so.

To count the machines that refuse a kind of units, and for what, takes a look at each of them: 5 ms for 1,000. So what
was said of a kind is kept until a machine comes, goes or changes, or a unit comes to a machine or leaves one (or is
drafted to, or taken back) that has to do with the kind: one that it follows, or that one of its patterns stands for, or
that has a pattern which stands for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetpy.planner.candidates import Kind
    from fleetpy.planner.occupancy import Occupancy


class Sayings:
    """What was said of each kind of units in the last plan, and is true of the picture as it is now."""

    def __init__(self, occupancy: Occupancy) -> None:
        self._occupancy = occupancy
        self._true: dict[Kind, str] = {}
        self._said: dict[Kind, str] = {}

    def about(self, kind: Kind) -> str | None:
        """What is known to be true of a kind."""
        said = self._true.get(kind)
        if said is not None:
            self._said[kind] = said
        return said

    def say(self, kind: Kind, words: str) -> None:
        """This is true of it."""
        self._true[kind] = self._said[kind] = words

    def refresh(self) -> None:
        """Forget what may have changed, and what nobody has wanted to know since this was last called."""
        stir = self._occupancy.stir
        if stir.machines:
            self._said.clear()
        elif self._said:
            words = self._words()
            self._said = {
                kind: said
                for kind, said in self._said.items()
                if words.isdisjoint(kind.machine_of + kind.conflicts + kind.in_conflict_of + kind.in_replaces_of)
            }
        self._true, self._said = self._said, {}
        stir.machines = False
        stir.names.clear()
        stir.patterns.clear()

    def _words(self) -> set[str]:
        """The names and patterns by which kinds have to do with what has changed."""
        occupancy, stir = self._occupancy, self._occupancy.stir
        words: set[str] = stir.names | stir.patterns
        for name in stir.names:
            unit = occupancy.units.get(name)
            if unit is not None:
                words.update(unit.requirements.conflicts, unit.requirements.replaces)
            words.update(occupancy.conflicts.standing_for(name), occupancy.replaces.standing_for(name))
        return words
