"""The planner's index of the cluster, kept from turn to turn: who tells it what has changed, and who makes sure of it.

Whoever makes a plan of the whole cluster for each event pays seconds for it when there are a hundred thousand units;
brought up to date, the index costs what has changed (docs/adr/0016-an-index-that-is-kept.md).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fleetpy.ids import MachineID, UnitName
from fleetpy.model.cluster import Placement
from fleetpy.planner.index import Index
from fleetpy.planner.plan import plan_next
from fleetpy.registry.decoding import StoredMachine, StoredSettings, StoredState, StoredUnit
from fleetpy.registry.keys import split_machine_and_unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.planner.plan import Plan, PlanSettings
    from fleetpy.planner.snapshot import Circumstances
    from fleetpy.registry.cluster import Decoded, Tables
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.pairs import Pair
    from fleetpy.registry.view import Changes
    from fleetpy_scheduler.metrics import EngineMetrics

_log = logging.getLogger(__name__)

CHECK_EVERY = 3600.0
"""Seconds after which the index is made anew and compared: some seconds' work for the largest clusters, which waits for
a turn that has nothing to do."""


class KeptPlanner:
    """Plans for the cluster that `tables` show; `apply` is to be told all changes after they have been."""

    def __init__(
        self, tables: Tables, keys: Keys, settings: PlanSettings, metrics: EngineMetrics, check_every: float
    ) -> None:
        self._tables = tables
        self._settings = settings
        self._metrics = metrics
        self._check_every = check_every
        self._checked_at: float | None = None
        self._index = Index()
        self._left_out: frozenset[UnitName] = frozenset()
        self._prefixes = (keys.states, keys.placements, keys.units, keys.machines, keys.machine_settings)

    def apply(self, changes: Changes[Decoded]) -> None:
        """Tell the index what has changed, as the tables now show it."""
        for value in changes.changed.values():
            match value:
                case Placement():
                    self._tell_placement((value.machine, value.name))
                case StoredState():
                    self._tell_report((value.machine, value.name))
                case StoredUnit():
                    self._tell_unit(value.name)
                case StoredMachine():
                    self._tell_machine(value.id)
                case StoredSettings():
                    self._tell_machine(value.machine)
                case _:
                    pass
        for key in changes.removed:
            self._tell_of_removed(key)
        self._tell_left_out()

    def plan(self, circumstances: Circumstances, now: float) -> Plan:
        """Decide; `now` is of the clock that `circumstances` are from."""
        planned = plan_next(self._index, circumstances, now, self._settings)
        if self._checked_at is None:
            self._checked_at = now
        overdue = now - self._checked_at - self._check_every
        if overdue < 0 or (planned.actions and overdue < self._check_every):
            return planned
        self._checked_at = now
        return self._plan_anew(circumstances, now, planned)

    def _plan_anew(self, circumstances: Circumstances, now: float, planned: Plan) -> Plan:
        """Plan by a new index, and keep that."""
        self._index = Index()  # The old one's memory is free before the new one takes as much.
        self._index = Index.of(self._tables.snapshot(circumstances))
        anew = plan_next(self._index, circumstances, now, self._settings)
        if anew != planned:
            _log.error("The planner's index was wrong, and is made anew: %s", _difference(planned, anew))
            self._metrics.index_was_wrong()
        return anew

    def _tell_machine(self, machine: MachineID) -> None:
        self._index.set_machine(machine, self._tables.planned_machines.get(machine))

    def _tell_unit(self, name: UnitName) -> None:
        self._index.set_unit(name, self._tables.planned_units.get(name))

    def _tell_placement(self, pair: Pair) -> None:
        placement = self._tables.placements.get(pair)
        self._index.set_placement(pair, placement if pair[1] not in self._tables.left_out else None)

    def _tell_report(self, pair: Pair) -> None:
        state = self._tables.states.get(pair)
        known = state is not None and pair[1] not in self._tables.left_out
        self._index.set_report(pair, state.report if state is not None and known else None)

    def _tell_of_removed(self, key: str) -> None:
        prefix = next((prefix for prefix in self._prefixes if key.startswith(prefix)), None)
        if prefix is None:
            return
        rest = key[len(prefix) :]
        states, placements, units, *_ = self._prefixes
        if prefix in {states, placements}:
            pair = split_machine_and_unit(rest)
            if pair is not None:
                (self._tell_report if prefix == states else self._tell_placement)(pair)
        elif prefix == units:
            self._tell_unit(UnitName(rest))
        else:
            self._tell_machine(MachineID(rest))

    def _tell_left_out(self) -> None:
        """What is left out takes its placements and reports along, and what no longer is brings them back."""
        left_out = self._tables.left_out.keys()
        if left_out == self._left_out:
            return
        others, self._left_out = left_out ^ self._left_out, frozenset(left_out)
        for name in others:
            self._tell_unit(name)
            for placement in self._tables.placements.of_unit(name):
                self._tell_placement((placement.machine, name))
            for state in self._tables.states.of_unit(name):
                self._tell_report((state.machine, name))


def _difference(one: Plan, other: Plan) -> str:
    """In one line, what is in one of two plans alone."""
    few = 3
    parts = [
        *(f"only the old one {action}" for action in _only(one.actions, other.actions)),
        *(f"only the new one {action}" for action in _only(other.actions, one.actions)),
        *(
            f"{name} is pending: {one.pending.get(name, 'no')} / {other.pending.get(name, 'no')}"
            for name in sorted(one.pending.keys() | other.pending.keys())
            if one.pending.get(name) != other.pending.get(name)
        ),
        f"to plan again at {one.wake_at} / {other.wake_at}, brake {one.brake} / {other.brake}",
    ]
    return "; ".join(parts[:few])


def _only(some: Iterable[object], others: Iterable[object]) -> list[object]:
    return [one for one in some if one not in frozenset(others)]
