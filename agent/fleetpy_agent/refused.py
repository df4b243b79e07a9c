"""What this host refused lately, so that it is not asked again at once.

A refusal stands in the unit's state, and the scheduler takes the unit elsewhere. If the state went with the placement,
nobody would know of the refusal any more: a unit that suits no other machine would come back at once, be refused and
taken away again, for ever. So a refusal is said for a while longer; then the host may be asked again, for its own unit
of that name may be gone by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetpy.ids import UnitName
    from fleetpy.model.records import StateRecord

REMEMBERED = 60.0
"""Seconds that a refusal outlasts the placement that was refused."""


class Refused:
    """The refusals of one host; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[UnitName, tuple[StateRecord, float]] = {}

    def added_to(self, states: Mapping[UnitName, StateRecord]) -> dict[UnitName, StateRecord]:
        """The states, and the refusals that are remembered of units that have none."""
        now = self._clock()
        for name, state in states.items():
            if state.refused is not None:
                self._kept[name] = state, now + REMEMBERED
            else:
                self._kept.pop(name, None)
        self._kept = {name: kept for name, kept in self._kept.items() if kept[1] > now}
        return {**{name: state for name, (state, _) in self._kept.items()}, **states}
