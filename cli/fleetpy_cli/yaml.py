"""Lists as YAML. What JSON calls a string is one in YAML 1.2 too, so that only plain words go without quotes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What some reader takes for something else than a word (YAML 1.1)."""


def dump(entries: Sequence[Mapping[str, object]]) -> str:
    """A list of mappings of scalars, and of mappings of scalars."""
    if not entries:
        return "[]\n"
    return "".join(_entry(entry) for entry in entries)


def _entry(entry: Mapping[str, object]) -> str:
    lines: list[str] = []
    for key, value in entry.items():
        if isinstance(value, dict) and value:
            lines.append(f"{_scalar(key)}:")
            lines += [f"  {_scalar(inner)}: {_scalar(part)}" for inner, part in value.items()]
        else:
            lines.append(f"{_scalar(key)}: {_scalar(value)}")
    return "".join(f"{'- ' if index == 0 else '  '}{line}\n" for index, line in enumerate(lines))


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
