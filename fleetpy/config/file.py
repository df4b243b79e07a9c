"""The text of `fleet.conf`: `name=value` lines, comments, nothing else.

The format is the original's (`fleet.conf.sample`, `deployment-and-configuration.md`, and what its parser took besides):
one option to a line, its name in any case, values bare, in single or double quotes, or a JSON list; `#` and `;` begin
a comment, on a line of its own or behind a value; a backslash at its end continues a line. Options stand outside of
sections.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Setting:
    """One option as it was given, and where: `origin` names file, line and option, or the environment variable."""

    name: str
    value: str
    origin: str


def parse_settings(text: str, path: str) -> list[Setting]:
    """Every option of a configuration file, in order; raises `ConfigError` with the file and line."""
    settings = []
    for number, line in _lines(text, path):
        place = f"{path}:{number}"
        if line.startswith("["):
            raise ConfigError(f"{place}: options stand outside of sections; remove {line}")
        name, equals, value = line.partition("=")
        if not equals:
            raise ConfigError(f"{place}: expected name=value, found {line!r}")
        name = name.strip().lower()
        origin = f"{place}: {name}"
        settings.append(Setting(name, read_value(value.strip(), origin), origin))
    return settings


def read_value(value: str, origin: str) -> str:
    """A value without its quotes and without the comment behind it; raises `ConfigError`."""
    if value[:1] in ("'", '"'):
        quoted, closing, rest = value[1:].partition(value[0])
        rest = rest.strip()
        if not closing:
            raise ConfigError(f"{origin}: the quote that opens {value!r} is never closed")
        if rest and rest[0] not in "#;":
            raise ConfigError(
                f"{origin}: {rest!r} stands behind the closing quote; one pair goes around all of a value"
            )
        return quoted
    comment = re.search("[#;]", value)
    if comment is None:
        return value
    bare = value[: comment.start()]
    if bare and not bare[-1].isspace():
        # The original took the rest for a comment; of a password, say, it would be missed.
        raise ConfigError(f"{origin}: {comment[0]!r} begins a comment: put the value in quotes, or a blank before it")
    return bare.strip()


def split_list(value: str, origin: str) -> tuple[str, ...]:
    """A list: JSON (`["a", "b"]`) or comma-separated; empty items are left out. Raises `ConfigError`."""
    if value.startswith("["):
        hint = """write it as ["A", "B"] or as A,B"""
        try:
            items = json.loads(value)
        except RecursionError as error:
            raise ConfigError(f"{origin}: {value[:80]!r} is not a JSON list: it is nested too deeply") from error
        except ValueError as error:
            raise ConfigError(f"{origin}: {value[:80]!r} is not a JSON list ({error}); {hint}") from error
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ConfigError(f"{origin}: {value!r} is not a JSON list of strings; {hint}")
        return tuple(item.strip() for item in items if item.strip())
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _lines(text: str, path: str) -> Iterator[tuple[int, str]]:
    """Each line that is neither empty nor a comment, in one piece, with the number of its first."""
    raw = enumerate(text.splitlines(), start=1)
    for number, first in raw:
        line = first.strip()
        while line.endswith("\\"):
            _, following = next(raw, (0, None))
            if following is None:
                raise ConfigError(f"{path}:{number}: a backslash at its end continues a line, but none follows")
            line = line[:-1] + following.strip()
        if line and line[0] not in "#;":
            yield number, line
