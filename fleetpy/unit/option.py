"""One option of a unit file, and which options can be written to a file and read again as they were."""

from __future__ import annotations

import re
from typing import NamedTuple

from fleetpy.errors import InvalidUnitFileError

WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What the original's parser strips: Unicode's white space, which is not quite what `str.strip` takes for it."""

MAX_WORD = 255
"""Characters of a section's name, and of an option's."""

COMMENT_MARKS = "#;"

_NOT_IN_SECTION = re.compile(r"[\]\n\r\0]")
_NOT_IN_NAME = re.compile(r"[=\n\r\0]")
_NOT_IN_VALUE = re.compile(r"[\r\0]")


class UnitOption(NamedTuple):
    """`name=value` in `[section]`; the value is kept verbatim, with the line breaks of a continued line."""

    section: str
    name: str
    value: str


def check_option(option: UnitOption) -> None:
    """Raise `InvalidUnitFileError` if a file with this option would not give back the same option."""
    problem = _section_problem(option.section) or _name_problem(option.name) or _value_problem(option.value)
    if problem:
        name, section = option.name[:MAX_WORD], option.section[:MAX_WORD]
        raise InvalidUnitFileError(f"option {name!r} of section {section!r}: {problem}")


def _section_problem(section: str) -> str | None:
    if not section.strip(WHITE_SPACE):
        return "the section's name is empty"
    if len(section) > MAX_WORD:
        return f"the section's name has {len(section)} characters, more than the {MAX_WORD} that it may have"
    if _NOT_IN_SECTION.search(section):
        return "the section's name has a ], a line break or a NUL in it"
    return None


def _name_problem(name: str) -> str | None:
    if not name:
        return "the option's name is empty"
    if len(name) > MAX_WORD:
        return f"the option's name has {len(name)} characters, more than the {MAX_WORD} that it may have"
    if name != name.strip(WHITE_SPACE):
        return "the option's name begins or ends with white space"
    if _NOT_IN_NAME.search(name):
        return "the option's name has a =, a line break or a NUL in it"
    if name[0] in COMMENT_MARKS or name[0] == "[":
        return f"an option's name cannot begin with {name[0]!r}"
    return None


def _value_problem(value: str) -> str | None:
    if _NOT_IN_VALUE.search(value):
        return "the value has a carriage return or a NUL in it"
    # A value that ends in a line break is a continued line with a blank one after it.
    *continued, last = value.split("\n")
    if not all(line.endswith("\\") for line in continued):
        return "the value has a line break without a backslash before it"
    if last.endswith("\\"):
        return "the value ends in a backslash, which would make the next line a part of it"
    body = value.removesuffix("\n")
    if body != body.strip(WHITE_SPACE):
        return "the value begins or ends with white space"
    return None
