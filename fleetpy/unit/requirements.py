"""What a unit's [X-Fleet] section asks of the machine it runs on (the design's and the original's
`unit-files-and-scheduling.md`).

An empty assignment clears what the option had before it, under any of its names, as with systemd's own lists. Values
that are lists (all but `MachineMetadata`) may have several words to a line, quoted or not. In a template, a value whose
meaning hangs on the instance (`%i`, `%n`, `%N`) is left for the instances to be read and checked in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from fleetpy.errors import InvalidRequirementError, InvalidUnitNameError
from fleetpy.ids import MachineID, UnitName
from fleetpy.unit.glob import check_pattern, literal, matches
from fleetpy.unit.name import parse_unit_name, with_default_suffix
from fleetpy.unit.specifier import depends_on_instance, expand
from fleetpy.unit.values import logical_line, split_items, split_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.unit.file import UnitFile
    from fleetpy.unit.name import UnitNameInfo

SECTION = "X-Fleet"


class OnPartition(StrEnum):
    """What a host does with the unit when it has lost the cluster: `KEEP` it running, or `STOP` it in time."""

    KEEP = "keep"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What [X-Fleet] says, checked and with specifiers replaced; the defaults are those of a unit without it."""

    machine_id: MachineID | None = None
    """Only on this machine."""
    machine_of: tuple[UnitName, ...] = ()
    """Only where all these units are."""
    metadata: tuple[tuple[str, frozenset[str]], ...] = ()
    """Only on machines that have, for each key, one of the values; sorted by key."""
    conflicts: tuple[str, ...] = ()
    """Never beside a unit whose name matches one of these patterns."""
    replaces: tuple[str, ...] = ()
    """Takes the machine of the unit whose name matches one of these patterns."""
    is_global: bool = False
    """On every eligible machine."""
    on_partition: OnPartition = OnPartition.KEEP


class _Option(StrEnum):
    MACHINE_ID = "MachineID"
    MACHINE_OF = "MachineOf"
    METADATA = "MachineMetadata"
    CONFLICTS = "Conflicts"
    REPLACES = "Replaces"
    GLOBAL = "Global"
    ON_PARTITION = "OnPartition"


_SPELLINGS: Mapping[str, _Option] = {
    **{option.value: option for option in _Option},
    "X-ConditionMachineID": _Option.MACHINE_ID,
    "X-ConditionMachineBootID": _Option.MACHINE_ID,
    "X-ConditionMachineOf": _Option.MACHINE_OF,
    "X-ConditionMachineMetadata": _Option.METADATA,
    "X-Conflicts": _Option.CONFLICTS,
}
"""Every name that an option may go by; those of one option add up, save `MachineID`'s, the first of which counts."""

_APART: tuple[tuple[_Option, _Option], ...] = (
    (_Option.MACHINE_ID, _Option.MACHINE_OF),
    (_Option.MACHINE_ID, _Option.CONFLICTS),
    (_Option.MACHINE_ID, _Option.GLOBAL),
    (_Option.MACHINE_ID, _Option.REPLACES),
    (_Option.GLOBAL, _Option.MACHINE_OF),
    (_Option.GLOBAL, _Option.REPLACES),
    (_Option.GLOBAL, _Option.ON_PARTITION),
    (_Option.CONFLICTS, _Option.REPLACES),
)
"""Pairs that cannot stand in one unit (the original's, and `OnPartition`: a global unit has no second place to run)."""

_TRUE = frozenset({"true", "yes", "1", "on", "t"})
_FALSE = frozenset({"false", "no", "n", "0", "off", "f"})
"""`y` is in neither: it is true to systemd and was false to the original."""

_MACHINE_ID = re.compile(r"[0-9a-fA-F]{32}")
_NOTHING = Requirements()


class _Word(NamedTuple):
    """One item of an option's value, with specifiers replaced, and the name that the option went by."""

    spelling: str
    text: str
    settled: bool = True
    """False in a template, where only an instance can tell what the item means."""


def read_requirements(name: UnitNameInfo, file: UnitFile) -> Requirements:
    """What the file asks for, for the unit of that name.

    Raises `InvalidRequirementError` with the rule that the section breaks; the message names the option and its
    value, not the unit.
    """
    given = _collect(name, file)
    if not given:
        return _NOTHING
    words = {option: [word for word in found if word.settled] for option, found in given.items()}
    requirements = Requirements(
        machine_id=_machine_id(words.get(_Option.MACHINE_ID, [])),
        machine_of=_machine_of(name, words.get(_Option.MACHINE_OF, [])),
        metadata=_metadata(words.get(_Option.METADATA, [])),
        conflicts=_patterns(words.get(_Option.CONFLICTS, [])),
        replaces=_patterns(words.get(_Option.REPLACES, [])),
        is_global=_is_global(words.get(_Option.GLOBAL, [])),
        on_partition=_on_partition(words.get(_Option.ON_PARTITION, [])),
    )
    present = set(given) if requirements.is_global else set(given) - {_Option.GLOBAL}
    _check_together(name, requirements, present)
    return requirements


def _collect(name: UnitNameInfo, file: UnitFile) -> dict[_Option, list[_Word]]:
    """The items given for each option, in the file's order; an option without any is left out."""
    given: dict[_Option, list[_Word]] = {}
    for section, spelling, value in file.options:
        if section != SECTION:
            continue
        option = _SPELLINGS.get(spelling)
        if option is None:
            raise _unknown(spelling)
        line = logical_line(value)
        try:
            items = split_items(line) if option is _Option.METADATA else split_words(line)
        except InvalidRequirementError as error:
            raise InvalidRequirementError(f"{spelling}: {error}") from None
        if not items:
            given.pop(option, None)
        for item in items:
            settled = not (name.is_template and depends_on_instance(item))
            given.setdefault(option, []).append(_Word(spelling, expand(item, name), settled))
    return given


def _unknown(spelling: str) -> InvalidRequirementError:
    by_folded = {known.casefold(): known for known in _SPELLINGS}
    import difflib  # noqa: PLC0415 - for a slip, and nobody else

    near = difflib.get_close_matches(spelling.casefold(), by_folded, n=1)
    hint = f"did you mean {by_folded[near[0]]}?" if near else f"known are {', '.join(_Option)}"
    return InvalidRequirementError(f"[{SECTION}] has no option {spelling!r}; {hint}")


def _machine_id(words: list[_Word]) -> MachineID | None:
    """The first one given counts; the option's own name goes before the old one, and that before the boot id."""
    for spelling in ("MachineID", "X-ConditionMachineID", "X-ConditionMachineBootID"):
        for word in words:
            if word.spelling == spelling:
                if not _MACHINE_ID.fullmatch(word.text):
                    raise InvalidRequirementError(
                        f"{spelling}={word.text}: a machine's id is all of its 32 hexadecimal digits "
                        "(`fleetctl list-machines --full` shows them)"
                    )
                return MachineID(word.text.lower())
    return None


def _machine_of(name: UnitNameInfo, words: list[_Word]) -> tuple[UnitName, ...]:
    leaders: dict[UnitName, None] = {}
    for word in words:
        try:
            leader = parse_unit_name(word.text)
        except InvalidUnitNameError as error:
            hint = "" if "." in word.text else f"; did you mean {with_default_suffix(word.text)}?"
            raise InvalidRequirementError(f"{word.spelling}={word.text}: {error}{hint}") from None
        if leader.is_template:
            raise InvalidRequirementError(
                f"{word.spelling}={word.text}: a template runs nowhere; name an instance of it"
            )
        if leader.full == name.full:
            raise InvalidRequirementError(f"{word.spelling}={word.text}: the unit names itself")
        leaders[leader.full] = None
    return tuple(leaders)


def _metadata(words: list[_Word]) -> tuple[tuple[str, frozenset[str]], ...]:
    pairs: dict[str, set[str]] = {}
    for word in words:
        key, _, value = word.text.partition("=")
        key, value = key.strip(), value.strip()
        if not (key and value) or "=" in value or '"' in word.text:
            raise InvalidRequirementError(
                f"{word.spelling}={word.text}: metadata is key=value, neither of them empty; "
                'quote each pair where there are several: "key=value" "other=value"'
            )
        pairs.setdefault(key, set()).add(value)
    return tuple(sorted((key, frozenset(values)) for key, values in pairs.items()))


def _patterns(words: list[_Word]) -> tuple[str, ...]:
    """The patterns, each once; a `%i` that is empty outside an instance leaves none."""
    for word in words:
        try:
            check_pattern(word.text)
        except InvalidRequirementError as error:
            raise InvalidRequirementError(f"{word.spelling}: {error}") from None
    return tuple(dict.fromkeys(word.text for word in words if word.text))


def _is_global(words: list[_Word]) -> bool:
    """The last one given counts; all must be booleans."""
    answer = False
    for word in words:
        folded = word.text.lower()
        if folded not in _TRUE and folded not in _FALSE:
            raise InvalidRequirementError(f"{word.spelling}={word.text} is neither true nor false")
        answer = folded in _TRUE
    return answer


def _on_partition(words: list[_Word]) -> OnPartition:
    """The last one given counts; all must be known."""
    answer = OnPartition.KEEP
    for word in words:
        try:
            answer = OnPartition(word.text)
        except ValueError:
            known = " or ".join(OnPartition)
            raise InvalidRequirementError(f"{word.spelling}={word.text}: it is {known}") from None
    return answer


def _check_together(name: UnitNameInfo, requirements: Requirements, present: set[_Option]) -> None:
    for leader in requirements.machine_of:
        for option, patterns in (
            (_Option.CONFLICTS, requirements.conflicts),
            (_Option.REPLACES, requirements.replaces),
        ):
            for pattern in patterns:
                if matches(pattern, leader):
                    raise InvalidRequirementError(
                        f"{_Option.MACHINE_OF}={leader} can never hold: it matches the unit's own {option}={pattern}"
                    )
    for one, other in _APART:
        if one in present and other in present:
            raise InvalidRequirementError(f"{one} and {other} cannot stand in one unit")
    if name.full in map(literal, requirements.replaces):
        raise InvalidRequirementError(f"{_Option.REPLACES}={name.full}: the unit names itself")
