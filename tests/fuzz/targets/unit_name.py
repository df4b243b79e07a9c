"""Unit names: taken apart without loss, or refused; what is allowed fits a file's name."""

from __future__ import annotations

from fleetpy.errors import InvalidUnitNameError
from fleetpy.unit.name import MAX_NAME_BYTES, parse_unit_name, with_default_suffix
from tests.fuzz.inputs import text_of

WORDS = ("@", ".", "-", ":", "\\x2d", "/", "..", ".service", "@.timer", ".snapshot", "%i")


def check(data: bytes) -> None:
    """Read a unit's name."""
    text = text_of(data)
    assert with_default_suffix(with_default_suffix(text)) == with_default_suffix(text)
    try:
        info = parse_unit_name(text)
    except InvalidUnitNameError as error:
        str(error).encode()
        return
    assert info.full == text
    assert info.full.isascii()
    assert len(text) <= MAX_NAME_BYTES
    assert "/" not in text
    assert "\0" not in text
    at = "@" if "@" in info.name else ""
    assert f"{info.prefix}{at}{info.instance or ''}.{info.suffix}" == text
    assert not (info.is_template and info.is_instance)
    if info.template is not None:
        assert parse_unit_name(info.template).is_template
