"""Strings and paths inside unit names: escaping loses nothing, and unescaping takes only what escaping makes."""

from __future__ import annotations

from fleetpy.errors import InvalidUnitNameError
from fleetpy.unit.escape import escape, escape_path, unescape, unescape_path
from tests.fuzz.inputs import text_of

WORDS = ("-", "\\x2d", "\\x", "\\", "/", "//", "..", ".", "/./", "\\x00", "\\xff")


def check(data: bytes) -> None:
    """Escape and unescape a text."""
    text = text_of(data)
    try:
        assert unescape(escape(text)) == text
    except InvalidUnitNameError:
        assert "\0" in text
    try:
        place = unescape_path(escape_path(text))
        assert place == unescape_path(escape_path(place))
    except InvalidUnitNameError:
        pass
    try:
        path = unescape_path(text)
    except InvalidUnitNameError:
        return
    assert unescape_path(escape_path(path)) == path
