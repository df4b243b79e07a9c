"""Unit files: read or refused with a line; the canonical text reads as the same file; as the original read it."""

from __future__ import annotations

from fleetpy.errors import InvalidUnitFileError
from fleetpy.unit.file import MAX_UNIT_FILE_BYTES, UnitFile, UnitOption
from tests.fuzz.inputs import text_of
from tests.fuzz.original import original_options

WORDS = ("[Unit]\n", "[", "]", "=", "\\\n", "\\", "#", ";", "\n\n", "\r\n", "\r", "\0", " ", "\ufeff", "\u3000", "\x85")


def check(data: bytes) -> None:
    """Read a unit file."""
    text = text_of(data)
    try:
        file = UnitFile.parse(text)
    except InvalidUnitFileError as error:
        assert error.line is None or 1 <= error.line <= text.count("\n") + 1  # noqa: PT017 - the line is not always there
        return
    canonical = file.text
    assert len(canonical.encode()) <= MAX_UNIT_FILE_BYTES
    again = UnitFile.parse(canonical)
    assert again == file
    assert again.text == canonical
    assert again.hash == file.hash
    assert UnitFile.from_options(file.options) == file
    if "\r" not in text:
        assert list(file.options) == _grouped(original_options(text.removeprefix("\ufeff")))


def _grouped(options: list[UnitOption]) -> list[UnitOption]:
    sections = list(dict.fromkeys(option.section for option in options))
    return sorted(options, key=lambda option: sections.index(option.section))
