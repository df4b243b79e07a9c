"""What each fault did to the units, and how long it took until they ran again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.causes import why_ended
from fleetpy_lab.chaos.history import SIGNS
from fleetpy_lab.chaos.recovery import gaps, may_be_held, places_around

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fleetpy_lab.chaos.history import History, Run, Strike
    from fleetpy_lab.chaos.load import LoadUnit
    from fleetpy_lab.chaos.promises import Promises

_JUST = 0.05
"""Seconds between a gap's end and the beginning of the run that ends it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault did to the units that nobody changes; seconds, None where there was nothing of the kind."""

    strike: Strike
    ended: int
    """Runs that it ended."""
    keep: float | None
    """From its beginning until the last of those ran that had to move or to start again, global ones aside."""
    stop: float | None
    """Likewise, of those with `OnPartition=stop` and those that follow such a unit."""
    after: float | None
    """From its end until the last of all ran, global ones included, if that was later."""
    stale: float | None
    """From its end until the last copy was gone that ran beside another."""


def effects(history: History, promises: Promises) -> list[Effect]:
    """Of each fault, in order."""
    units = [unit for unit in history.units.values() if not unit.changing]
    again = [(unit, *found) for unit in units for found in _begun_again(history, unit, promises)]
    ended = [
        (run, cause.strike)
        for unit in units
        for run in history.runs_of(unit.name)
        if (cause := why_ended(history, run, promises)) is not None
    ]
    found = []
    for strike in history.strikes:
        begun = [(unit, moment) for unit, moment, by in again if by is strike]
        moved = [(may_be_held(history, unit), moment) for unit, moment in begun if not unit.is_global]
        over = [run for run, by in ended if by is strike]
        found.append(
            Effect(
                strike,
                len(over),
                _since(strike.began, [moment for held, moment in moved if not held]),
                _since(strike.began, [moment for held, moment in moved if held]),
                _since(strike.ended, [moment for _, moment in begun if moment > strike.ended]),
                _since(strike.ended, _stale(history, over, strike)),
            )
        )
    return found


def _begun_again(history: History, unit: LoadUnit, promises: Promises) -> Iterator[tuple[float, Strike]]:
    """When the unit began to run after a fault, and which."""
    for host, gap in gaps(history, unit):
        places = {host} if host else places_around(history, unit, gap)
        due = [
            strike
            for strike in history.strikes
            if (strike.host in places or strike.nature.halts)
            and strike.began - SIGNS <= gap.began <= strike.ended + promises.recovery
        ]
        if due and any(abs(run.began - gap.ended) < _JUST for run in history.runs_of(unit.name)):
            yield gap.ended, max(due, key=lambda strike: strike.began)


def _stale(history: History, ended: Iterable[Run], strike: Strike) -> list[float]:
    return [
        history.end(run)
        for run in ended
        if history.end(run) > strike.ended
        and any(run.began < other.began < history.end(run) for other in history.runs_of(run.unit))
        and not history.units[run.unit].is_global
    ]


def _since(moment: float, moments: Iterable[float]) -> float | None:
    last = max(moments, default=None)
    return None if last is None else last - moment
