"""What the changes of the registry tell: who led, which machines were away, what nobody refers to any more."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from fleetpy.ids import MachineID
from fleetpy.model.records import LeaderRecord, PlacementRecord, UnitRecord
from fleetpy_lab.chaos.observer import KEYS
from fleetpy_lab.chaos.spans import Span, merged

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from fleetpy_lab.chaos.observer import Change

_MASS_LOSS = 0.55
"""When more than this part of the machines is away at once, the scheduler moves nothing."""


def takeovers(changes: Sequence[Change]) -> list[float]:
    """When a scheduler began to lead: also one that began another term with the key that it had."""
    terms: dict[tuple[str, datetime], float] = {}
    for change in changes:
        if change.key == KEYS.leader and change.entry is not None:
            leader = LeaderRecord.decode(change.entry.value)
            terms.setdefault((leader.identity, leader.since), change.at)
    return list(terms.values())


def registrations(changes: Sequence[Change], machine: str) -> list[float]:
    """When the machine of that id was registered anew, having been away."""
    key = KEYS.machine(MachineID(machine))
    own = [change for change in changes if change.key == key]
    return [change.at for before, change in pairwise(own) if before.entry is None and change.entry is not None]


def absences(changes: Sequence[Change], machines: Collection[str], ended: float) -> list[Span]:
    """When machines of these ids were away, each after it had been there."""
    keys = {KEYS.machine(MachineID(machine)) for machine in machines}
    gone: dict[str, float] = {}
    found: list[Span] = []
    for change in changes:
        if change.key in keys and change.entry is None:
            gone.setdefault(change.key, change.at)
        elif change.key in gone:
            found.append(Span(gone.pop(change.key), change.at))
    return found + [Span(since, ended) for since in gone.values()]


def brakes(away: Sequence[Span], machines: int) -> list[Span]:
    """While so many of all the machines were away at once that the scheduler moves nothing."""
    moments = sorted({moment for span in away for moment in (span.began, span.ended)})
    pieces = [Span(began, ended) for began, ended in pairwise(moments)]
    return merged(
        piece for piece in pieces if sum(span.common(piece).seconds > 0 for span in away) > _MASS_LOSS * machines
    )


def needless_since(changes: Sequence[Change]) -> dict[str, float]:
    """Since when each unit file that is still stored has been referred to by no unit and no placement."""
    references: dict[str, str] = {}
    since: dict[str, float] = {}
    for change in changes:
        before = references.pop(change.key, None)
        if change.key.startswith(KEYS.unit_files):
            file = change.key.removeprefix(KEYS.unit_files)
            if change.entry is None:
                since.pop(file, None)
            else:
                since[file] = change.at
        elif change.entry is not None and change.key.startswith(KEYS.units):
            references[change.key] = UnitRecord.decode(change.entry.value).hash
        elif change.entry is not None and change.key.startswith(KEYS.placements):
            references[change.key] = PlacementRecord.decode(change.entry.value).hash
        if before in since and before not in references.values():
            since[before] = change.at
    return {file: at for file, at in since.items() if file not in references.values()}
