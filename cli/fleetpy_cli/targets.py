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
    from collections.abc import Callable, Iterable, Sequence

    from fleetpy.client.client import FleetClient
    from fleetpy.ids import UnitName
    from fleetpy.schemas.fleetpy_v1 import UnitStatus

_PATTERN_CHARACTERS = "*?["
_ALIKE = 0.75
"""How much alike two names are, of 1, for one to be taken for the other misspelt (difflib's ratio)."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What was asked for and is there, in the order in which it was asked for, each once; and what is not there."""

    units: list[UnitStatus]
    unknown: dict[str, str]
    """Names that the cluster does not have, and patterns that stand for nothing, each with what to do about it."""
    named: frozenset[str]
    """The units that were named, and not only matched."""


def unit_name(argument: str) -> UnitName:
    """The unit's name that an argument stands for; raises `InvalidUnitNameError`."""
    return parse_unit_name(with_default_suffix(PurePosixPath(argument).name)).full


def find_targets(client: FleetClient, arguments: Sequence[str]) -> Targets:
    """Look the named units up; raises `UserError` for a malformed name or pattern before anything is sent."""
    wanted = [_pattern(argument) or unit_name(argument) for argument in arguments]
    has_patterns = any(map(is_pattern, wanted))
    known = {unit.name: unit for unit in client.units(None if has_patterns else frozenset(wanted)).units}
    found: dict[str, UnitStatus] = {}
    unknown: list[str] = []
    for text in wanted:
        meant = [name for name in known if matches(text, name)] if is_pattern(text) else [text] * (text in known)
        found.update((name, known[name]) for name in meant)
        if not meant and text not in unknown:
            unknown.append(text)
    names = known if has_patterns or not unknown else [unit.name for unit in client.units().units]
    return Targets(list(found.values()), {text: _advice(text, names) for text in unknown}, frozenset(wanted))


def selection(arguments: Sequence[str]) -> Callable[[str], bool]:
    """Whether a unit is named by the arguments, or matched by a pattern among them; every one is, if there are none.

    Raises `UserError` for a malformed name or pattern.
    """
    wanted = [_pattern(argument) or unit_name(argument) for argument in arguments]
    return lambda name: not wanted or any(matches(one, name) if is_pattern(one) else one == name for one in wanted)


def nearest(client: FleetClient, name: str) -> str:
    """What to say of a unit's name that the cluster does not have: the name that it has and that is like it, if any."""
    return _advice(name, [unit.name for unit in client.units().units])


def _advice(name: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - for a slip, and nobody else

    own, _, _ = name.rpartition(".")
    template, at, _ = own.partition("@")
    # What ends alike is not alike for that, and another instance of the same template is no slip.
    stems = {one.rpartition(".")[0]: one for one in known if not at or one.partition("@")[0] != template}
    near = difflib.get_close_matches(own, stems, n=1, cutoff=_ALIKE)
    return f"did you mean {stems[near[0]]}?" if near else "list-unit-files shows the units that are"


def is_pattern(text: str) -> bool:
    """Whether an argument stands for all units that it matches."""
    return any(character in text for character in _PATTERN_CHARACTERS)


def _pattern(argument: str) -> str | None:
    text = argument.rpartition("/")[2]
    if not is_pattern(text):
        return None
    check_pattern(text)
    return text
