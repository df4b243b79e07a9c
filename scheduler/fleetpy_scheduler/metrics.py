"""What a scheduler counts for Prometheus: the original's names (`fleet_engine_…`), and one of ours beside them.

The original's `type` of a task is the name of its own kind of task; what it did not have is `updateunit`. A turn that
fails is counted by the original's reasons: `run` (the registry is away) and `machine_away` (a machine was gone, or
back, before it could be written).
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from fleetpy.errors import UnavailableError
from fleetpy.planner.actions import Place, Unplace, Update
from fleetpy.registry.protocol import GuardFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from fleetpy.planner.actions import Action

_TYPES: dict[type[Action], str] = {Place: "attemptscheduleunit", Unplace: "unscheduleunit", Update: "updateunit"}


class EngineMetrics:
    """The counters of one scheduler, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._leads_since = Gauge(
            "fleet_engine_leader_start_time",
            "When this scheduler began to lead, in seconds since the epoch; 0 while it does not.",
            registry=self._registry,
        )
        self._tasks = self._counter("task_count", "Placements given, taken and changed.", "type")
        self._task_failures = self._counter("task_failure_count", "Those of them that could not be written.", "type")
        self._turns = self._counter("reconcile_count", "Turns of the planning loop.")
        self._turn_failures = self._counter("reconcile_failure_count", "Turns that failed, by the reason.", "type")
        self._index_failures = self._counter(
            "index_failure_count", "Times that the planner's index was found to be wrong, and was made anew."
        )
        self._durations = Histogram(
            "fleet_engine_reconcile_duration_second", "Seconds that a turn took.", registry=self._registry
        )
        self._pending = Gauge(
            "fleet_engine_pending_units", "Units that are to be on a machine and are on none.", registry=self._registry
        )

    def leads(self, since: datetime | None) -> None:
        """This scheduler leads since then; None: it does not, and so knows of no unit that waits."""
        self._leads_since.set(since.timestamp() if since is not None else 0)
        if since is None:
            self._pending.set(0)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """A turn, for as long as the context lasts."""
        began = time.monotonic()
        try:
            yield
        except UnavailableError:
            self._turn_failures.labels("run").inc()
            raise
        self._turns.inc()
        self._durations.observe(time.monotonic() - began)

    @contextlib.contextmanager
    def writing(self, actions: Iterable[Action]) -> Iterator[None]:
        """A transaction of these actions."""
        counted = self._tasks
        try:
            yield
        except GuardFailedError:
            counted = self._task_failures
            self._turn_failures.labels("machine_away").inc()
            raise
        except UnavailableError:
            counted = self._task_failures
            raise
        finally:
            for action in actions:
                counted.labels(_TYPES[type(action)]).inc()

    def pending(self, count: int) -> None:
        """So many units wait for a machine."""
        self._pending.set(count)

    def index_was_wrong(self) -> None:
        """What is kept for planning did not agree with the registry."""
        self._index_failures.inc()

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"fleet_engine_{name}", words, labels, registry=self._registry)
