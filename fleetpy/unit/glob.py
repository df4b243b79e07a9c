"""Patterns over unit names, with the meaning of Go's `path.Match`, which the original fleet used.

`*` is any characters, `?` is one, neither of them a `/`; `[a-z]` is one of a class, `[^a-z]` is one outside it; a
backslash takes the next character as it is. A pattern stands for the whole name.

Matching takes time in proportion to the name: each stretch between stars is taken where it first fits (an atomic
group), which loses nothing because a later fit leaves less of the name to match.
"""

from __future__ import annotations

import re
from functools import lru_cache

from fleetpy.errors import InvalidRequirementError

_STAR = "[^/]*"
_ANY = r"[\s\S]"
_NEVER = "(?!)"
_CACHED_PATTERNS = 8192


def matches(pattern: str, name: str) -> bool:
    """Whether the pattern stands for the name; a malformed pattern stands for nothing."""
    compiled = _compile(pattern)
    if isinstance(compiled, str):
        return compiled == name
    return compiled is not None and compiled.match(name) is not None


def check_pattern(pattern: str) -> None:
    """Raise `InvalidRequirementError` if the pattern is malformed."""
    if _compile(pattern) is None:
        _Scanner(pattern).scan()


def literal(pattern: str) -> str | None:
    """The only name that the pattern can stand for, if it has no wildcards and is well formed; None otherwise."""
    compiled = _compile(pattern)
    return compiled if isinstance(compiled, str) else None


@lru_cache(maxsize=_CACHED_PATTERNS)
def _compile(pattern: str) -> re.Pattern[str] | str | None:
    """A regular expression, or the one name that the pattern stands for, or None if it is malformed."""
    try:
        chunks = _Scanner(pattern).scan()
    except InvalidRequirementError:
        return None
    if len(chunks) == 1 and all(plain is not None for plain, _ in chunks[0]):
        return "".join(plain for plain, _ in chunks[0] if plain is not None)
    first, *rest = ["".join(expression for _, expression in chunk) for chunk in chunks]
    if not rest:
        return re.compile(rf"{first}\Z")
    middle = "".join(f"(?>{_STAR}?{chunk})" for chunk in rest[:-1] if chunk)
    return re.compile(rf"{first}{middle}{_STAR}{rest[-1]}\Z")


class _Scanner:
    """Reads a pattern into the chunks between its stars.

    A chunk is a list of elements, each matching one character: the character, or None for more than one possible,
    and the regular expression for it.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def scan(self) -> list[list[tuple[str | None, str]]]:
        chunks: list[list[tuple[str | None, str]]] = [[]]
        while self._at < len(self._pattern):
            character = self._take()
            if character == "*":
                chunks.append([])
            elif character == "?":
                chunks[-1].append((None, "[^/]"))
            elif character == "[":
                chunks[-1].append((None, self._class()))
            else:
                plain = self._take() if character == "\\" else character
                chunks[-1].append((plain, re.escape(plain)))
        return chunks

    def _take(self) -> str:
        if self._at >= len(self._pattern):
            unfinished = "a backslash ends it" if self._pattern.endswith("\\") else "a [ in it is not closed"
            raise InvalidRequirementError(f"pattern {self._pattern!r} is malformed: {unfinished}")
        character = self._pattern[self._at]
        self._at += 1
        return character

    def _class(self) -> str:
        """What follows a `[`, up to its `]`."""
        negated = self._pattern.startswith("^", self._at)
        self._at += negated
        ranges: list[str] = []
        count = 0
        while count == 0 or not self._pattern.startswith("]", self._at):
            low = high = self._class_member()
            if self._pattern.startswith("-", self._at):
                self._at += 1
                high = self._class_member()
            if low <= high:
                ranges.append(f"{re.escape(low)}-{re.escape(high)}")
            count += 1
        self._at += 1
        if not ranges:
            return _ANY if negated else _NEVER
        return f"[{'^' if negated else ''}{''.join(ranges)}]"

    def _class_member(self) -> str:
        character = self._take()
        if character in "-]":
            raise InvalidRequirementError(
                f"pattern {self._pattern!r} is malformed: a {character!r} in [ ] needs a backslash before it"
            )
        return self._take() if character == "\\" else character
