"""Looking patterns up gives what trying each of them gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetpy.ids import UnitName
from fleetpy.planner.patterns import PatternIndex
from fleetpy.unit.glob import matches
from tests.unit.planner.clusters import unhurried

PATTERNS = ["a", "ab", "a*", "*", "?", "a?", "[ab]*", "a[b-c]", r"a\*", r"\a", "ab*c", "*b", "[", "a\\", "*]b", "?a"]


@unhurried
@given(st.sets(st.sampled_from(PATTERNS)), st.text("abc*]", min_size=1, max_size=4))
def test_the_index_finds_what_matches(patterns: set[str], name: str) -> None:
    found = PatternIndex(patterns).standing_for(UnitName(name))
    assert sorted(found) == sorted(pattern for pattern in patterns if matches(pattern, name))


@unhurried
@given(st.lists(st.sampled_from(PATTERNS)), st.sampled_from(["a", "ab", "abc"]))
def test_the_order_in_which_patterns_are_given_makes_no_difference(patterns: list[str], name: str) -> None:
    one = PatternIndex(patterns).standing_for(UnitName(name))
    assert PatternIndex(reversed(patterns)).standing_for(UnitName(name)) == one


def test_no_patterns_stand_for_nothing() -> None:
    assert not PatternIndex([])
    assert PatternIndex([]).standing_for(UnitName("a")) == ()
