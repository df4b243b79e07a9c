"""Which of many patterns stand for a name, without trying each of them.

Patterns without wildcards are looked up; another is tried only on names that begin as it does or, if it begins with a
wildcard, on names that end as it does.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fleetpy.unit.glob import literal, matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.ids import UnitName

_SPECIAL = "*?[]\\"


class PatternIndex:
    """A fixed set of patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._literals: dict[str, list[str]] = defaultdict(list)
        self._beginning: dict[str, list[str]] = defaultdict(list)
        self._ending: dict[str, list[str]] = defaultdict(list)
        for pattern in sorted(set(patterns)):
            only = literal(pattern)
            beginning = _beginning(pattern)
            if only is not None:
                self._literals[only].append(pattern)
            elif beginning:
                self._beginning[beginning].append(pattern)
            else:
                self._ending[_ending(pattern)].append(pattern)
        self._lengths_before = sorted({len(beginning) for beginning in self._beginning})
        self._lengths_after = sorted({len(ending) for ending in self._ending})
        self._empty = not (self._literals or self._beginning or self._ending)
        self._known: dict[UnitName, tuple[str, ...]] = {}

    def __bool__(self) -> bool:
        return not self._empty

    def standing_for(self, name: UnitName) -> tuple[str, ...]:
        """The patterns that match the name, always in the same order."""
        if self._empty:
            return ()
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._search(name)
        return found

    def _search(self, name: UnitName) -> tuple[str, ...]:
        found = list(self._literals.get(name, ()))
        for length in self._lengths_before:
            alike = self._beginning.get(name[:length])
            if alike is not None:
                found += (pattern for pattern in alike if matches(pattern, name))
            if length >= len(name):
                break
        for length in self._lengths_after:
            if length > len(name):
                break
            alike = self._ending.get(name[len(name) - length :])
            if alike is not None:
                found += (pattern for pattern in alike if matches(pattern, name))
        return tuple(found)


def _beginning(pattern: str) -> str:
    """What every name that the pattern stands for begins with."""
    at = next((at for at, character in enumerate(pattern) if character in _SPECIAL), len(pattern))
    return pattern[:at]


def _ending(pattern: str) -> str:
    """What every name that the pattern stands for ends with."""
    return pattern[max(pattern.rfind(character) for character in _SPECIAL) + 1 :]
