"""Specifiers, continued lines and quoting inside the values of [X-Fleet]."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.errors import InvalidRequirementError
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.specifier import depends_on_instance, expand
from fleetpy.unit.values import logical_line, split_items, split_words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("%n", "foo@bar.service"),
        ("%N", "foo@bar"),
        ("%p", "foo"),
        ("%i", "bar"),
        ("%p-data@%i.service", "foo-data@bar.service"),
        ("100%", "100%"),
        ("%H%%p%", "%H%foo%"),
        ("no specifier", "no specifier"),
    ],
)
def test_four_specifiers_are_replaced_and_all_else_stays(value: str, expected: str) -> None:
    assert expand(value, parse_unit_name("foo@bar.service")) == expected


@pytest.mark.parametrize("name", ["foo.service", "foo@.service"])
def test_without_an_instance_its_specifier_is_empty(name: str) -> None:
    assert expand("<%i>", parse_unit_name(name)) == "<>"


def test_only_the_prefix_is_the_same_for_all_instances() -> None:
    assert [depends_on_instance(value) for value in ("%n", "%N", "%i", "%p", "i", "%")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@given(st.text("%nNpi ax"))
def test_what_does_not_depend_on_the_instance_is_the_same_for_all(value: str) -> None:
    one, other = parse_unit_name("foo@1.service"), parse_unit_name("foo@2.service")
    assert (expand(value, one) == expand(value, other)) is not depends_on_instance(value)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("a b", "a b"),
        ("a \\\n  b", "a b"),
        ("a \\\n# remark\\\n  b", "a b"),
        ("a \\\n; remark", "a"),
        ("a \\\n", "a"),
        ("\\\na", "a"),
    ],
)
def test_continued_lines_are_joined_by_a_space(value: str, line: str) -> None:
    assert logical_line(value) == line


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   ", []),
        ("a  b\tc", ["a", "b", "c"]),
        ('"a"', ["a"]),
        ('"a" "b" "c"', ["a", "b", "c"]),
        ('"a"\t"b"', ["a", "b"]),
        ('a "b" c', ["a", "b", "c"]),
        ('"a b" c', ["a", "b", "c"]),
        ('""', []),
        ('"" a', ["a"]),
        ("a\\b", ["a\\b"]),
        ('"a\\"" b', None),
        ('"a', None),
        ('"a" "', None),
    ],
)
def test_words_stand_between_white_space_whatever_the_quotes(line: str, words: list[str] | None) -> None:
    if words is None:
        with pytest.raises(InvalidRequirementError, match="not closed"):
            split_words(line)
    else:
        assert split_words(line) == words


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("", []),
        ("rack=third from left", ["rack=third from left"]),
        ('"region=us-east-1" "diskType=SSD"', ["region=us-east-1", "diskType=SSD"]),
        ('"rack=third from left"', ["rack=third from left"]),
        ('a="b"', ['a="b"']),
        ('"a=b" c=d "e=f"', ["a=b", "c=d", "e=f"]),
        ('""', []),
    ],
)
def test_items_are_quoted_one_by_one_or_the_line_is_one(line: str, items: list[str]) -> None:
    assert split_items(line) == items


words_without_quotes = st.text(st.characters(exclude_characters='"'), min_size=1)


@given(st.lists(words_without_quotes))
def test_quoted_items_come_back_as_they_were(words: list[str]) -> None:
    line = " ".join(f'"{word}"' for word in words)
    assert split_items(line) == words


def test_an_item_whose_quote_is_not_closed_is_refused() -> None:
    with pytest.raises(InvalidRequirementError, match="not closed"):
        split_items('"a=b" "')


@given(words_without_quotes)
def test_quotes_around_a_line_without_spaces_make_no_difference(text: str) -> None:
    for word in text.split():
        assert split_words(f'"{word}"') == split_words(word) == [word]
