"""Escaping for unit names; the expected texts are what systemd-escape(1) of systemd 252 gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.errors import InvalidUnitNameError
from fleetpy.unit.escape import escape, escape_path, unescape, unescape_path
from fleetpy.unit.name import parse_unit_name

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("", ""),
        ("plain:_.9", "plain:_.9"),
        ("a/b", "a-b"),
        ("/a//b/", "-a--b-"),
        ("a-b", "a\\x2db"),
        ("a\\b", "a\\x5cb"),
        (".a.b", "\\x2ea.b"),
        ("a b@c", "a\\x20b\\x40c"),
        ("é", "\\xc3\\xa9"),
    ],
)
def test_a_string_is_escaped_as_systemd_does(text: str, escaped: str) -> None:
    assert escape(text) == escaped
    assert unescape(escaped) == text


@pytest.mark.parametrize(
    ("path", "escaped", "back"),
    [
        ("", "-", "/"),
        ("/", "-", "/"),
        ("///", "-", "/"),
        ("/var/lib", "var-lib", "/var/lib"),
        ("/var//lib/", "var-lib", "/var/lib"),
        ("/var/./lib/.", "var-lib", "/var/lib"),
        ("var/lib", "var-lib", "/var/lib"),
        ("/home/a-b/.c", "home-a\\x2db-.c", "/home/a-b/.c"),
        ("/.c", "\\x2ec", "/.c"),
    ],
)
def test_a_path_is_escaped_as_systemd_does(path: str, escaped: str, back: str) -> None:
    assert escape_path(path) == escaped
    assert unescape_path(escaped) == back


@pytest.mark.parametrize("text", ["\\", "a\\", "\\x", "\\x2", "\\xzz", "\\y41", "\\X41", "\\x00", "\ud800"])
def test_what_no_escaping_makes_is_not_unescaped(text: str) -> None:
    with pytest.raises(InvalidUnitNameError):
        unescape(text)


@pytest.mark.parametrize("text", ["", "--", "a--b", "-a", "a-", "a-..-b", "a-.", "\\x2f", "\\xg0"])
def test_what_no_path_makes_is_not_unescaped(text: str) -> None:
    with pytest.raises(InvalidUnitNameError):
        unescape_path(text)


@pytest.mark.parametrize("path", ["/a/../b", "..", ".", "./.", "/a\0b"])
def test_a_path_that_names_no_place_is_refused(path: str) -> None:
    with pytest.raises(InvalidUnitNameError):
        escape_path(path)


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_a_string_that_no_name_can_carry_is_refused(text: str) -> None:
    with pytest.raises(InvalidUnitNameError):
        escape(text)


def test_bytes_that_are_no_utf8_come_through() -> None:
    assert unescape("\\xff") == "\udcff"
    assert escape("\udcff") == "\\xff"


@given(texts)
def test_unescaping_undoes_escaping(text: str) -> None:
    assert unescape(escape(text)) == text


@given(texts.filter(lambda text: 0 < len(escape(text)) < 200))
def test_any_string_can_be_an_instance(text: str) -> None:
    assert parse_unit_name(f"web@{escape(text)}.service").instance == escape(text)


@given(st.lists(texts.filter(lambda part: "/" not in part and part not in {"", ".", ".."})))
def test_unescaping_undoes_escaping_of_absolute_paths(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert unescape_path(escape_path(path)) == path


@given(st.text("a-\\x2d.", max_size=12))
def test_what_is_unescaped_as_a_path_escapes_to_one_again(text: str) -> None:
    try:
        path = unescape_path(text)
    except InvalidUnitNameError:
        return
    assert unescape_path(escape_path(path)) == path
