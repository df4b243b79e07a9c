"""Reads the text of a unit file into its options (systemd.syntax(7)), as the original fleet's parser does.

* Blank lines, and lines that begin with `#` or `;`, are skipped. A comment that ends in a backslash goes on in the
  next line, as it did in the systemd of the original's time (today's ends it): the same file has the same hash.
* A line that ends in a backslash goes on in the next; the backslash and the line break stay in the value. A blank
  line ends such a value, which then ends in a line break.
* White space around section headers, names and values does not count. CRLF ends a line as LF does.

What the original let pass without a word is refused with the number of its line: an option before the first section,
a header that is not closed on its line, an option or section without a name, a value that ends in a backslash but
goes on nowhere (a blank follows the backslash, or the file ends), and characters that systemd takes for the end of
a line where we would not (NUL, a carriage return in the middle of a line).

The original refused lines of 2,048 bytes and more, as systemd did then. systemd has long read lines of up to a
mebibyte; here only the file as a whole has a limit.
"""

from __future__ import annotations

import json
import re

from fleetpy.errors import InvalidUnitFileError
from fleetpy.unit.option import COMMENT_MARKS, MAX_WORD, WHITE_SPACE, UnitOption

MAX_UNIT_FILE_BYTES = 512 * 1024
"""The longest unit file, in bytes of UTF-8; a third of what etcd takes in one request (1.5 MiB)."""
MAX_STORED_BYTES = 1024 * 1024
"""Bytes of the file's text as a JSON string, which is how it is stored: quotes, line breaks and others take more."""
_LONGEST_ESCAPE = len("\\u0000")

_BYTE_ORDER_MARK = "\ufeff"
_INNER_CARRIAGE_RETURN = re.compile(r"\r(?!\n|\Z)")


def check_text(text: str) -> None:
    """Raise `InvalidUnitFileError` for text that is too long, no Unicode, or has a NUL or a lone carriage return."""
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidUnitFileError("not valid Unicode", line=_line_at(text, error.start)) from None
    if size > MAX_UNIT_FILE_BYTES:
        raise InvalidUnitFileError(
            f"the unit file has {size} bytes, more than the {MAX_UNIT_FILE_BYTES} that it may have"
        )
    if size * _LONGEST_ESCAPE > MAX_STORED_BYTES:
        stored = len(json.dumps(text, ensure_ascii=False).encode())
        if stored > MAX_STORED_BYTES:
            raise InvalidUnitFileError(
                f"the unit file takes {stored} bytes as JSON, more than the {MAX_STORED_BYTES} that it may take: "
                "it has many control characters"
            )
    if "\0" in text:
        raise InvalidUnitFileError("a NUL character", line=_line_at(text, text.index("\0")))
    if "\r" in text:
        lone = _INNER_CARRIAGE_RETURN.search(text)
        if lone:
            raise InvalidUnitFileError("a carriage return in the middle", line=_line_at(text, lone.start()))


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def parse_options(text: str) -> list[UnitOption]:
    """The options of a unit file, in its order; raises `InvalidUnitFileError` with the offending line's number."""
    check_text(text)
    return _Parser(text.removeprefix(_BYTE_ORDER_MARK)).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._next = 0
        """The index of the next line, which is the number of the line read last."""

    def parse(self) -> list[UnitOption]:
        options: list[UnitOption] = []
        section: str | None = None
        while self._next < len(self._lines):
            line = self._take().lstrip(WHITE_SPACE)
            if not line:
                continue
            if line[0] in COMMENT_MARKS:
                self._skip_comment(line)
            elif line[0] == "[":
                section = self._section(line)
            elif section is None:
                raise self._error(f"{_short(line)} stands before the first section, such as [Unit]")
            else:
                options.append(self._option(section, line))
        return options

    def _take(self) -> str:
        line = self._lines[self._next]
        self._next += 1
        return line

    def _error(self, message: str) -> InvalidUnitFileError:
        return InvalidUnitFileError(message, line=self._next)

    def _skip_comment(self, line: str) -> None:
        while line.removesuffix(" ").endswith("\\") and self._next < len(self._lines):
            line = self._take()

    def _section(self, line: str) -> str:
        section, bracket, rest = line[1:].partition("]")
        if not bracket:
            raise self._error(f"section header {_short(line)} has no ]")
        if rest.strip(WHITE_SPACE):
            raise self._error(f"section header [{section}] is followed by {_short(rest)}")
        if not section.strip(WHITE_SPACE):
            raise self._error("a section without a name")
        if len(section) > MAX_WORD:
            raise self._error(
                f"a section's name has {len(section)} characters, more than the {MAX_WORD} that it may have"
            )
        return section

    def _option(self, section: str, line: str) -> UnitOption:
        name, equals, rest = line.partition("=")
        if not equals:
            raise self._error(f"{_short(line)} is neither an option (name=value) nor a section header")
        name = name.rstrip(WHITE_SPACE)
        if not name:
            raise self._error(f"{_short(line)} has no option name before its =")
        if len(name) > MAX_WORD:
            raise self._error(f"an option's name has {len(name)} characters, more than the {MAX_WORD} that it may have")
        return UnitOption(section, name, self._value(rest))

    def _value(self, line: str) -> str:
        line = line.removesuffix("\r")
        if not line.endswith("\\"):
            return self._checked(line)
        lines = [line]
        while lines[-1].endswith("\\"):
            if self._next == len(self._lines):
                raise self._error("the file ends after a backslash, which says that the line goes on")
            line = self._take().removesuffix("\r")
            if not line.strip(WHITE_SPACE):
                return "\n".join(lines).strip(WHITE_SPACE) + "\n"
            lines.append(line)
        return self._checked("\n".join(lines))

    def _checked(self, value: str) -> str:
        value = value.strip(WHITE_SPACE)
        if value.endswith("\\"):
            raise self._error("white space follows the backslash at the end, so that the line does not go on")
        return value


def _short(text: str, longest: int = 60) -> str:
    text = text.strip(WHITE_SPACE)
    return repr(text if len(text) <= longest else text[:longest] + "…")
