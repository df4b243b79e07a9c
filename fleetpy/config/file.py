"""The text of `fleet.conf`: `name=value` lines, comments, nothing else.

The format is the original's (`fleet.conf.sample`, `deployment-and-configuration.md`): one option to a line, values
bare, in single or double quotes, or a JSON list; `#` and `;` begin a comment line. Options stand outside of sections.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from fleetpy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Setting:
    """One option as it was given, and where: `origin` names the file and line, or the environment variable."""

    name: str
    value: str
    origin: str


def parse_settings(text: str, path: str) -> list[Setting]:
    """Every option of a configuration file, in order; raises `ConfigError` with the file and line."""
    settings = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        origin = f"{path}:{number}"
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            raise ConfigError(f"{origin}: options stand outside of sections; remove {line}")
        name, equals, value = line.partition("=")
        if not equals:
            raise ConfigError(f"{origin}: expected name=value, found {line!r}")
        settings.append(Setting(name.strip(), unquote(value.strip(), origin), origin))
    return settings


def unquote(value: str, origin: str) -> str:
    """A value without its quotes; raises `ConfigError` for a quote that is never closed."""
    if value[:1] not in ("'", '"'):
        return value
    quote = value[0]
    if len(value) < 2 or value[-1] != quote:  # noqa: PLR2004 - an opening and a closing quote
        raise ConfigError(f"{origin}: the quote that opens {value!r} is never closed")
    return value[1:-1]


def split_list(value: str, origin: str) -> tuple[str, ...]:
    """A list: JSON (`["a", "b"]`) or comma-separated; empty items are left out. Raises `ConfigError`."""
    if value.startswith("["):
        try:
            items = json.loads(value)
        except ValueError as error:
            raise ConfigError(f"{origin}: {value!r} is not a JSON list: {error}") from error
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ConfigError(f"{origin}: {value!r} is not a JSON list of strings")
        return tuple(item.strip() for item in items if item.strip())
    return tuple(item.strip() for item in value.split(",") if item.strip())
