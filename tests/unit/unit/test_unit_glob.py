"""Patterns over unit names, as Go's path.Match has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.errors import InvalidRequirementError
from fleetpy.unit.glob import check_pattern, literal, matches


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("web.service", "web.service", True),
        ("web.service", "webxservice", False),
        ("web", "web.service", False),
        ("*", "", True),
        ("*", "web.service", True),
        ("*bar*", "foo-bar-baz", True),
        ("web@*.service", "web@1.service", True),
        ("web@*.service", "web@.service", True),
        ("web@*.service", "web.service", False),
        ("*.service", "a.service.d", False),
        ("a*a", "a", False),
        ("a*b*c", "axbxbxc", True),
        ("a**c", "abc", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a?c", "aüc", True),
        ("[a-c]x", "bx", True),
        ("[a-c]x", "dx", False),
        ("[^a-c]x", "dx", True),
        ("[^a-c]x", "bx", False),
        ("[!a]", "a", True),
        ("[!a]", "b", False),
        ("[a-cx-z0]", "y", True),
        ("[c-a]", "b", False),
        ("[^c-a]", "b", True),
        ("[a\\-c]", "-", True),
        ("[a\\-c]", "b", False),
        ("[\\]]", "]", True),
        ("[[]", "[", True),
        ("[*]", "*", True),
        ("[*]", "a", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("a-]b", "a-]b", True),
        ("*", "a/b", False),
        ("?", "/", False),
        ("[^a]", "/", True),
    ],
)
def test_a_pattern_stands_for_whole_names(pattern: str, name: str, expected: bool) -> None:  # noqa: FBT001 (an expectation)
    check_pattern(pattern)
    assert matches(pattern, name) is expected


@pytest.mark.parametrize(
    "pattern", ["[", "[]", "[]a]", "[^]", "[^", "a[b", "[a-", "[a-]", "[-a]", "[a-\\", "a\\", "[\\"]
)
def test_a_malformed_pattern_is_refused_and_stands_for_nothing(pattern: str) -> None:
    with pytest.raises(InvalidRequirementError, match="is malformed"):
        check_pattern(pattern)
    assert not matches(pattern, pattern)
    assert literal(pattern) is None


def test_a_pattern_without_wildcards_is_a_name() -> None:
    assert literal("web\\@1.service") == "web@1.service"
    assert [literal(pattern) for pattern in ("web*", "web?", "web[1]")] == [None, None, None]


def test_many_stars_take_no_longer_than_few() -> None:
    assert not matches("*a" * 100 + "b", "a" * 255)


def slow_match(elements: list[str], name: str) -> bool:
    """Tries every way: obviously right, and far too slow for more than a few characters."""
    if not elements:
        return not name
    first, rest = elements[0], elements[1:]
    if first == "*":
        return any(slow_match(rest, name[taken:]) for taken in range(len(name) + 1))
    if not name:
        return False
    if first == "?":
        fits = True
    elif first.startswith("[^"):
        fits = name[0] not in first[2:-1]
    elif first.startswith("["):
        fits = name[0] in first[1:-1]
    else:
        fits = name[0] == first[-1]
    return fits and slow_match(rest, name[1:])


elements = st.sampled_from(["*", "?", "a", "b", "\\*", "[ab]", "[^a]", "."])


@given(st.lists(elements, max_size=8), st.text("ab*.", max_size=10))
def test_matching_agrees_with_trying_every_way(pattern: list[str], name: str) -> None:
    assert matches("".join(pattern), name) is slow_match(pattern, name)


@given(st.text("ab*?[]^-\\/", max_size=12), st.text("ab-^]/", max_size=8))
def test_every_text_is_a_pattern_or_refused(pattern: str, name: str) -> None:
    try:
        check_pattern(pattern)
    except InvalidRequirementError:
        assert not matches(pattern, name)
    only = literal(pattern)
    assert only is None or matches(pattern, only)
