"""Why units wait, in the planner's own words.

An explanation needs a look at the whole cluster, which takes time that grows with it; each unit then costs little. So
the look is shared: it is taken anew at most every `FRESH` seconds, and at most a twentieth of the time goes into it.
A unit that was made since then has no reason yet, and seldom needs one: it is placed before anybody has looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.planner.explain import Explainer
from fleetpy.planner.words import vanished_at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.ids import Revision, UnitName
    from fleetpy.planner.explain import Explanation
    from fleetpy.registry.cluster import Tables

FRESH = 1.0
"""Seconds that a look at the cluster is good for."""
_SHARE = 20
"""A look that took a second is good for at least so many."""
_NO_LEADER = "no scheduler leads the cluster: nothing is placed until one does"


class Reasons:
    """Explains units of the cluster that the tables show; `clock` gives monotonic seconds."""

    def __init__(self, tables: Tables, clock: Callable[[], float]) -> None:
        self._tables = tables
        self._clock = clock
        self._explainer: Explainer | None = None
        self._of: Revision | None = None
        self._good_until = 0.0

    def pending(self, name: UnitName) -> str:
        """Why a unit that is to be on a machine is on none; empty if that is not so, or not known yet."""
        left_out = self._tables.left_out.get(name)
        if left_out is not None:
            return left_out
        if self._tables.leader is None:
            return _NO_LEADER
        if self._explainer is None or self._clock() >= self._good_until:
            self._look()
        return self._explainer.pending(name) if self._explainer else ""

    def explain(self, name: UnitName) -> Explanation:
        """Everything about a unit, as of now."""
        return self._look().explain(name)

    def _look(self) -> Explainer:
        if self._explainer is None or self._of != self._tables.revision:
            began = self._clock()
            self._explainer = Explainer.of(self._tables.snapshot(), self._why_held)
            self._of = self._tables.revision
            now = self._clock()
            self._good_until = now + max(FRESH, _SHARE * (now - began))
        return self._explainer

    def _why_held(self, name: UnitName) -> str | None:
        """Why the unit stays on its lost machine, as far as the leader has told."""
        if self._tables.brake is None:
            return None
        record = self._tables.brake.record
        held = any(placement.machine in record.machines for placement in self._tables.placements.of_unit(name))
        return vanished_at_once(record.lost, record.total) if held else None
