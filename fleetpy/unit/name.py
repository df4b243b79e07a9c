r"""Unit names: `prefix.type`, `prefix@.type` (a template) and `prefix@instance.type` (an instance of it).

The rules are systemd's own (systemd.unit(5), "unit names"): at most 255 bytes of `a-zA-Z0-9:-_.\@`, one of eleven
types, something before an `@`. `busname` and `snapshot`, which the original fleet knew, are gone from systemd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleetpy.errors import InvalidUnitNameError
from fleetpy.ids import UnitName

MAX_NAME_BYTES = 255
"""systemd's UNIT_NAME_MAX without the final NUL."""

DEFAULT_TYPE = "service"

UNIT_TYPES = frozenset(
    {"automount", "device", "mount", "path", "scope", "service", "slice", "socket", "swap", "target", "timer"}
)
"""The types that systemd has, as a unit's suffix without the dot."""

TEMPLATE_TYPES = frozenset({"path", "service", "socket", "target", "timer"})
"""The types of which there can be templates and instances (the original's `unit-files-and-scheduling.md`)."""

_DROPPED_TYPES = frozenset({"busname", "snapshot"})
_BAD_CHARACTER = re.compile(r"[^a-zA-Z0-9:\-_.\\@]")


@dataclass(frozen=True, slots=True)
class UnitNameInfo:
    """The parts of a valid unit name; made by `parse_unit_name`.

    For `web@1.service`: `full` is all of it, `name` is `web@1`, `prefix` is `web`, `instance` is `1` and `suffix` is
    `service`. `instance` is None, never empty, for a template (`web@.service`) and for a plain unit.
    """

    full: UnitName
    name: str
    prefix: str
    instance: str | None
    suffix: str

    @property
    def is_template(self) -> bool:
        """Whether units are made from this one, which itself never runs."""
        return self.instance is None and self.name.endswith("@")

    @property
    def is_instance(self) -> bool:
        """Whether this unit is made from a template."""
        return self.instance is not None

    @property
    def template(self) -> UnitName | None:
        """The name of the template that an instance is made from, or that this is; None for a plain unit."""
        if self.is_instance or self.is_template:
            return UnitName(f"{self.prefix}@.{self.suffix}")
        return None


def parse_unit_name(text: str) -> UnitNameInfo:
    """Take a name apart; raises `InvalidUnitNameError` with the first problem found."""
    if not text:
        raise InvalidUnitNameError("a unit's name is empty")
    if len(text) > MAX_NAME_BYTES or len(text.encode(errors="surrogatepass")) > MAX_NAME_BYTES:
        raise InvalidUnitNameError(f"unit name {text[:40]!r}… is longer than {MAX_NAME_BYTES} bytes")
    name, dot, suffix = text.rpartition(".")
    _check_type(text, dot, suffix)
    if "@" in name and suffix not in TEMPLATE_TYPES:
        types = ", ".join(sorted(TEMPLATE_TYPES))
        raise InvalidUnitNameError(f"unit name {text!r}: a {suffix} has no templates or instances, only {types} have")
    bad = _BAD_CHARACTER.search(name)
    if bad:
        raise InvalidUnitNameError(
            f"unit name {text!r} has the character {bad.group()!r}; allowed are a-z A-Z 0-9 and : - _ . \\ @"
        )
    prefix, at, instance = name.partition("@")
    if not prefix:
        raise InvalidUnitNameError(f"unit name {text!r} has nothing before its {'@' if at else '.' + suffix}")
    return UnitNameInfo(UnitName(text), name, prefix, instance or None, suffix)


def _check_type(text: str, dot: str, suffix: str) -> None:
    if suffix in UNIT_TYPES and dot:
        return
    types = ", ".join(sorted(UNIT_TYPES))
    if not dot:
        raise InvalidUnitNameError(f"unit name {text!r} has no type: it ends in a dot and one of {types}")
    if not suffix:
        raise InvalidUnitNameError(f"unit name {text!r} ends in a dot; what follows it is one of {types}")
    if suffix in _DROPPED_TYPES:
        raise InvalidUnitNameError(f"unit name {text!r}: systemd has dropped units of the type {suffix}")
    raise InvalidUnitNameError(f"unit name {text!r}: there is no unit type {suffix!r}; it is one of {types}")


def with_default_suffix(text: str) -> str:
    """The name with `.service` appended unless it ends in a type that systemd has or had; it may still be invalid."""
    _, dot, suffix = text.rpartition(".")
    return text if dot and suffix in UNIT_TYPES | _DROPPED_TYPES else f"{text}.{DEFAULT_TYPE}"
