"""Patterns over unit names: each matches, or is refused and matches nothing; as trying every way does, where short."""

from __future__ import annotations

from fleetpy.errors import InvalidRequirementError
from fleetpy.unit.glob import check_pattern, literal, matches
from tests.fuzz.inputs import halves_of

WORDS = ("*", "?", "[", "]", "[^a]", "[a-z]", "\\", "-", "^", "**", "\0a.service")
SLOW = 10
"""Characters of a pattern without classes, and of a name, up to which every way is tried."""


def check(data: bytes) -> None:
    """Match a pattern with a name."""
    pattern, name = halves_of(data)
    found = matches(pattern, name)
    try:
        check_pattern(pattern)
    except InvalidRequirementError as error:
        str(error).encode(errors="surrogatepass")
        assert not found
        assert literal(pattern) is None
        return
    only = literal(pattern)
    if only is not None:
        assert found is (only == name)
        assert matches(pattern, only)
    if "[" not in pattern and max(len(pattern), len(name)) <= SLOW:
        assert found is _slowly(pattern, name)


def _slowly(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return _slowly(pattern[1:], name) or bool(name and name[0] != "/" and _slowly(pattern, name[1:]))
    if pattern[0] == "?":
        return bool(name) and name[0] != "/" and _slowly(pattern[1:], name[1:])
    escaped = pattern[0] == "\\"
    return name[:1] == pattern[escaped : escaped + 1] and _slowly(pattern[1 + escaped :], name[1:])
