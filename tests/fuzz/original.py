"""How the original fleet read unit files, character by character: slow and obvious, to compare ours with.

It lets pass without a word what ours refuses, so it is asked only about texts that ours takes. Carriage returns are
left out: it took them for a part of the line, and only the stripping of values made them go away.
"""

from __future__ import annotations

from fleetpy.unit.option import COMMENT_MARKS, WHITE_SPACE, UnitOption


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._text)

    def character(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def back(self) -> None:
        self._at -= 1

    def until(self, mark: str) -> str:
        found = ""
        while self and (character := self.character()) != mark:
            found += character
        return found


def original_options(text: str) -> list[UnitOption]:
    """The options, in the order of the file."""
    reader, options, section = _Reader(text), list[UnitOption](), None
    while reader:
        character = reader.character()
        if character in COMMENT_MARKS:
            while reader.until("\n").removesuffix(" ").endswith("\\"):
                pass
        elif character == "[":
            section = reader.until("]")
            reader.until("\n")
        elif section is not None and character not in WHITE_SPACE:
            reader.back()
            options.append(UnitOption(section, reader.until("=").strip(WHITE_SPACE), _value(reader)))
    return options


def _value(reader: _Reader) -> str:
    value = ""
    while (line := reader.until("\n")).strip(WHITE_SPACE):
        value += line
        if not line.endswith("\\"):
            break
        value += "\n"
    return value.strip(WHITE_SPACE) + ("\n" if value.endswith("\n") else "")
