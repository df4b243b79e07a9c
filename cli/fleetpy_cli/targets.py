"""The units of the cluster that a command line names: by name, by path, or by pattern.

A name may lack its `.service`, and may be a path, whose last part counts: so `fleetctl stop myservice/*` works, as it
did with the original. A pattern (`*`, `?`, `[a-z]`) stands for all units of the cluster whose full names match.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fleetpy.unit.glob import check_pattern, matches
from fleetpy.unit.name import parse_unit_name, with_default_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.client.client import FleetClient
    from fleetpy.ids import UnitName
    from fleetpy.schemas.fleetpy_v1 import UnitStatus

_PATTERN_CHARACTERS = "*?["


@dataclass(frozen=True, slots=True)
class Targets:
    """What was asked for and is there, in the order in which it was asked for, each once; and what is not there."""

    units: list[UnitStatus]
    unknown: list[str]
    """Names that the cluster does not have, and patterns that stand for nothing."""
    named: frozenset[str]
    """The units that were named, and not only matched."""


def unit_name(argument: str) -> UnitName:
    """The unit's name that an argument stands for; raises `InvalidUnitNameError`."""
    return parse_unit_name(with_default_suffix(PurePosixPath(argument).name)).full


def find_targets(client: FleetClient, arguments: Sequence[str]) -> Targets:
    """Look the named units up; raises `UserError` for a malformed name or pattern before anything is sent."""
    wanted = [_pattern(argument) or unit_name(argument) for argument in arguments]
    has_patterns = any(map(_is_pattern, wanted))
    known = {unit.name: unit for unit in client.units(None if has_patterns else frozenset(wanted)).units}
    found: dict[str, UnitStatus] = {}
    unknown: list[str] = []
    for text in wanted:
        names = [name for name in known if matches(text, name)] if _is_pattern(text) else [text] * (text in known)
        found.update((name, known[name]) for name in names)
        if not names and text not in unknown:
            unknown.append(text)
    return Targets(list(found.values()), unknown, frozenset(wanted))


def _is_pattern(text: str) -> bool:
    return any(character in text for character in _PATTERN_CHARACTERS)


def _pattern(argument: str) -> str | None:
    text = argument.rpartition("/")[2]
    if not _is_pattern(text):
        return None
    check_pattern(text)
    return text
