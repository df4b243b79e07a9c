"""What went wrong with which unit: said in its state, and a reason to leave the unit alone for a while.

Trouble belongs to a wish: as soon as something else is wanted of the unit, it is tried at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.model.limits import MAX_PROBLEM

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from fleetpy.ids import UnitName
    from fleetpy.model.records import PlacementRecord

_log = logging.getLogger(__name__)

SOON = 1.0
"""Seconds until something is tried again that failed for want of an answer."""

LATER = 60.0
"""Seconds until something is tried again that was refused."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    wish: PlacementRecord | None
    problem: str
    until: float


class Troubles:
    """The troubles of one host's units; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._troubles: dict[UnitName, _Trouble] = {}

    def note(self, name: UnitName, wish: PlacementRecord | None, problem: str, hold: float = 0.0) -> None:
        """Something went wrong: hold the unit back for `hold` seconds. Logged unless it did so before."""
        if len(problem) > MAX_PROBLEM:
            problem = problem[:MAX_PROBLEM] + "…"
        before = self._troubles.get(name)
        if before is None or before.problem != problem:
            _log.warning("%s: %s", name, problem)
        self._troubles[name] = _Trouble(wish, problem, self._clock() + hold)

    def clear(self, name: UnitName) -> None:
        """All is well."""
        self._troubles.pop(name, None)

    def refresh(self, wanted: Mapping[UnitName, PlacementRecord], ours: Collection[UnitName]) -> None:
        """Drop the troubles of wishes that are no longer had, and of units of which nothing is left."""
        for name, trouble in tuple(self._troubles.items()):
            if wanted.get(name) != trouble.wish or not (name in wanted or name in ours):
                del self._troubles[name]

    @property
    def problems(self) -> Mapping[UnitName, str]:
        """The last problem of each unit in trouble."""
        return {name: trouble.problem for name, trouble in self._troubles.items()}

    @property
    def held_back(self) -> frozenset[UnitName]:
        """The units to leave alone for now."""
        now = self._clock()
        return frozenset(name for name, trouble in self._troubles.items() if trouble.until > now)

    @property
    def until(self) -> float | None:
        """When the first of those is to be tried again, by the clock; None if there is none."""
        now = self._clock()
        return min((trouble.until for trouble in self._troubles.values() if trouble.until > now), default=None)
