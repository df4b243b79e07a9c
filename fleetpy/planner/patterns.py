"""Which of many patterns stand for a name, without trying each of them.

Patterns without wildcards are looked up; another is tried only on names that begin as it does or, if it begins with a
wildcard, on names that end as it does.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fleetpy.unit.glob import literal, matches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from fleetpy.ids import UnitName

_SPECIAL = "*?[]\\"
_FEW = 16
"""So many patterns are tried on each of many names sooner than each name is looked up among all patterns."""


class _Affixes:
    """Patterns by what names begin, or end, with."""

    def __init__(self) -> None:
        self.patterns: dict[str, list[str]] = {}
        self.lengths: list[int] = []
        """Of the affixes, each once, the shortest first."""
        self._with_length: Counter[int] = Counter()

    def add(self, affix: str, pattern: str) -> None:
        self.patterns.setdefault(affix, []).append(pattern)
        self._count(len(affix), 1)

    def remove(self, affix: str, pattern: str) -> None:
        self.patterns[affix].remove(pattern)
        if not self.patterns[affix]:
            del self.patterns[affix]
        self._count(len(affix), -1)

    def _count(self, length: int, more: int) -> None:
        known = length in self._with_length
        self._with_length[length] += more
        if not self._with_length[length]:
            del self._with_length[length]
        if known != (length in self._with_length):
            self.lengths = sorted(self._with_length)


class PatternIndex:
    """A set of patterns, each as often as it was added."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._times: Counter[str] = Counter()
        self._literals: dict[str, list[str]] = {}
        self._beginning = _Affixes()
        self._ending = _Affixes()
        self._known: dict[UnitName, tuple[str, ...]] = {}
        for pattern in patterns:
            self.add(pattern)

    def __bool__(self) -> bool:
        return bool(self._times)

    def add(self, pattern: str) -> bool:
        """Take a pattern in, perhaps not for the first time; whether it is new."""
        self._times[pattern] += 1
        if self._times[pattern] > 1:
            return False
        self._known.clear()
        only, beginning = literal(pattern), _beginning(pattern)
        if only is not None:
            self._literals.setdefault(only, []).append(pattern)
        elif beginning:
            self._beginning.add(beginning, pattern)
        else:
            self._ending.add(_ending(pattern), pattern)
        return True

    def remove(self, pattern: str) -> bool:
        """Take a pattern out as often as it was added; whether that was the last time."""
        self._times[pattern] -= 1
        if self._times[pattern]:
            return False
        del self._times[pattern]
        self._known.clear()
        only, beginning = literal(pattern), _beginning(pattern)
        if only is not None:
            self._literals[only].remove(pattern)
            if not self._literals[only]:
                del self._literals[only]
        elif beginning:
            self._beginning.remove(beginning, pattern)
        else:
            self._ending.remove(_ending(pattern), pattern)
        return True

    def standing_for(self, name: UnitName) -> tuple[str, ...]:
        """The patterns that match the name, sorted."""
        if not self._times:
            return ()
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._search(name)
        return found

    def meeting(self, patterns: Collection[str], names: Collection[UnitName]) -> Iterator[tuple[str, UnitName]]:
        """Which of these patterns, all of them in the index, stand for which of these names."""
        if len(patterns) > _FEW:
            for name in names:
                yield from ((pattern, name) for pattern in self.standing_for(name) if pattern in patterns)
            return
        for pattern in patterns:
            only = literal(pattern)
            beginning, ending = (only, only) if only is not None else (_beginning(pattern), _ending(pattern))
            for name in names:
                if name.startswith(beginning) and name.endswith(ending) and matches(pattern, name):
                    yield pattern, name

    def _search(self, name: UnitName) -> tuple[str, ...]:
        found = list(self._literals.get(name, ()))
        for length in self._beginning.lengths:
            alike = self._beginning.patterns.get(name[:length])
            if alike is not None:
                found += (pattern for pattern in alike if matches(pattern, name))
            if length >= len(name):
                break
        for length in self._ending.lengths:
            if length > len(name):
                break
            alike = self._ending.patterns.get(name[len(name) - length :])
            if alike is not None:
                found += (pattern for pattern in alike if matches(pattern, name))
        return tuple(sorted(found))


def _beginning(pattern: str) -> str:
    """What every name that the pattern stands for begins with."""
    at = next((at for at, character in enumerate(pattern) if character in _SPECIAL), len(pattern))
    return pattern[:at]


def _ending(pattern: str) -> str:
    """What every name that the pattern stands for ends with."""
    return pattern[max(pattern.rfind(character) for character in _SPECIAL) + 1 :]
