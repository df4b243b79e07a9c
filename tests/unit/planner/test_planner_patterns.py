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


@unhurried
@given(st.lists(st.sampled_from(PATTERNS)), st.data())
def test_patterns_that_were_taken_out_are_as_if_they_had_never_been_there(
    given: list[str], data: st.DataObject
) -> None:
    names = [UnitName(name) for name in ("a", "ab", "abc", "b]")]
    index = PatternIndex(given)
    for name in names:
        index.standing_for(name)
    gone = data.draw(st.lists(st.sampled_from(given), unique=True)) if given else []
    for pattern in gone:
        assert index.remove(pattern) == (given.count(pattern) == 1)
        given.remove(pattern)
    assert [index.standing_for(name) for name in names] == [PatternIndex(given).standing_for(name) for name in names]
    assert bool(index) == bool(given)


@unhurried
@given(st.sets(st.sampled_from([*PATTERNS, *(f"{number}*" for number in range(16))])))
def test_of_few_patterns_and_of_many_the_same_names_are_found(patterns: set[str]) -> None:
    names = [UnitName(name) for name in ("a", "ab", "abc", "b]", "1a", "12")]
    found = sorted(PatternIndex(patterns).meeting(patterns, names))
    assert found == sorted((pattern, name) for pattern in patterns for name in names if matches(pattern, name))


def test_no_patterns_stand_for_nothing() -> None:
    assert not PatternIndex([])
    assert PatternIndex([]).standing_for(UnitName("a")) == ()
