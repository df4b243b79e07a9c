"""A scheduler: the real one, with its election, as a process that can be killed, paused and cut off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fleetpy.planner.plan import PlanSettings
from fleetpy.registry.election import Election
from fleetpy_scheduler.leading import Scheduler
from fleetpy_scheduler.metrics import EngineMetrics
from tests.simulation.host import KEYS, TTL
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.host import Onlooker
    from tests.simulation.network import Line, Network
    from tests.simulation.process import Keeper
    from tests.simulation.timeline import Clock, Timeline
    from tests.simulation.trace import Trace

LEADERS_LEASE = 5.0
"""Seconds: `scheduler_ttl`."""
INTERVAL = 30.0
"""Seconds: `engine_reconcile_interval`."""
MASS_LOSS_HOLD = 20.0
"""Seconds; shorter than by default, so that a run shows what comes after."""

SETTINGS = PlanSettings(ttl=TTL, mass_loss_hold=MASS_LOSS_HOLD)


class _StrictMetrics(EngineMetrics):
    """Ends a scheduler, and so the run, whose plan is not that of the whole cluster."""

    def index_was_wrong(self) -> None:
        raise AssertionError("what was planned is not what a new index gives")


class SchedulerNode:
    """One of the schedulers, not started yet."""

    def __init__(
        self, number: int, clock: Clock, timeline: Timeline, network: Network, trace: Trace, onlooker: Onlooker
    ) -> None:
        self._timeline = timeline
        self.process = Process(
            f"sched-{number}",
            timeline,
            network,
            trace,
            clock=clock,
            ttl=LEADERS_LEASE,
            committed=onlooker.committed,
            failed=onlooker.failed,
        )

    @property
    def identity(self) -> str:
        """What it leads as."""
        return f"{self.process.name}/{self.process.incarnation}"

    def start(self) -> None:
        """It starts, unless it runs and is not about to end."""
        self.process.start(self._serve)

    async def _serve(self, line: Line, keeper: Keeper) -> None:
        """What `fleetpy_scheduler.main` does."""
        scheduler = Scheduler(
            registry=line,
            keys=KEYS,
            election=Election(
                line,
                KEYS.leader,
                keeper,
                lambda: datetime.fromtimestamp(self.process.clock.shows(self._timeline.now), UTC),
            ),
            identity=self.identity,
            settings=SETTINGS,
            interval=INTERVAL,
            say=lambda _words: None,
            metrics=_StrictMetrics(),
            check_every=0.0,
        )
        await scheduler.run()
