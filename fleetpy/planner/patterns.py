"""Which of many patterns stand for a name, without trying each of them.

Names without wildcards are looked up; a real pattern is tried only on names that begin as it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.unit.glob import literal, matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.ids import UnitName

_WILDCARDS = "*?[\\"


class PatternIndex:
    """A fixed set of patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        literals: dict[str, list[str]] = {}
        globs: dict[str, list[str]] = {}
        for pattern in sorted(set(patterns)):
            only = literal(pattern)
            if only is not None:
                literals.setdefault(only, []).append(pattern)
            else:
                globs.setdefault(_beginning(pattern), []).append(pattern)
        self._literals = literals
        self._globs = globs
        self._lengths = sorted({len(beginning) for beginning in globs})
        self._known: dict[UnitName, tuple[str, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._literals or self._globs)

    def standing_for(self, name: UnitName) -> tuple[str, ...]:
        """The patterns that match the name, always in the same order."""
        if not self:
            return ()
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._search(name)
        return found

    def _search(self, name: UnitName) -> tuple[str, ...]:
        found = list(self._literals.get(name, ()))
        for length in self._lengths:
            if length > len(name):
                break
            found += (pattern for pattern in self._globs.get(name[:length], ()) if matches(pattern, name))
        return tuple(found)


def _beginning(pattern: str) -> str:
    """What every name that the pattern stands for begins with."""
    for at, character in enumerate(pattern):
        if character in _WILDCARDS:
            return pattern[:at]
    return pattern
