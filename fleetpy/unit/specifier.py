"""The specifiers that a value in [X-Fleet] may use: `%n`, `%N`, `%p` and `%i`.

Everything else, `%%` included, stays as it is: the original fleet knew these four and nothing more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetpy.unit.name import UnitNameInfo

_SPECIFIER = re.compile(r"%[nNpi]")
_OF_THE_INSTANCE = re.compile(r"%[nNi]")


def expand(value: str, name: UnitNameInfo) -> str:
    """Replace `%n` (full name), `%N` (without its type), `%p` (prefix) and `%i` (instance, empty without one)."""
    if "%" not in value:
        return value
    parts = {"%n": name.full, "%N": name.name, "%p": name.prefix, "%i": name.instance or ""}
    return _SPECIFIER.sub(lambda match: parts[match.group()], value)


def depends_on_instance(value: str) -> bool:
    """Whether what the value means differs between the instances of one template."""
    return "%" in value and _OF_THE_INSTANCE.search(value) is not None
