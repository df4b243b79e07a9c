"""Terms of leadership, one after another: stand for election, lead, lose, stand again.

A scheduler that does not lead knows nothing of the cluster and costs etcd one lease and one watch of one key. What it
needs to lead it reads when it is elected: a picture that is new holds all that its predecessor wrote.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.registry.cluster import Tables
from fleetpy.registry.view import View
from fleetpy_scheduler.fence import DeposedError, Fence
from fleetpy_scheduler.keeping import CHECK_EVERY
from fleetpy_scheduler.planning import PlanningLoop, SetBackError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.planner.plan import PlanSettings
    from fleetpy.registry.cluster import Decoded
    from fleetpy.registry.election import Election, Leadership
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Registry
    from fleetpy_scheduler.metrics import EngineMetrics

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scheduler:
    """One scheduler of the cluster.

    `interval`: seconds between turns that nothing asked for. `check_every`: seconds after which what is kept for
    planning is made anew and compared.
    """

    registry: Registry
    keys: Keys
    election: Election
    identity: str
    settings: PlanSettings
    interval: float
    say: Callable[[str], None]
    metrics: EngineMetrics
    check_every: float = CHECK_EVERY

    async def run(self) -> NoReturn:
        """Stand for election and lead, for ever. Cancelled, it gives leadership up, for the next to lead at once."""
        while True:
            self.say("Waits to lead")
            leadership = await self.election.campaign(self.identity)
            _log.info("%s leads from revision %d on", self.identity, leadership.entry.mod_revision)
            self.metrics.leads(datetime.now(UTC))
            try:
                await self._serve_term(leadership)
            except asyncio.CancelledError:
                await self._resign(leadership)
                raise
            finally:
                self.metrics.leads(None)

    async def _serve_term(self, leadership: Leadership) -> None:
        try:
            await self._lead(leadership)
        except* SetBackError:
            _log.warning("%s begins anew, since the registry was set back", self.identity)
            # What is still under way was decided from a past that is no more: in the next term it cannot be written.
            await self._resign(leadership)
        except* DeposedError as lost:
            _log.warning("%s no longer leads: %s", self.identity, lost.exceptions[0])

    async def _lead(self, leadership: Leadership) -> None:
        """Lead for one term; ends by `DeposedError` or `SetBackError` in a group."""
        tables = Tables(self.keys)
        view: View[Decoded] = View(self.registry, self.keys.prefix, tables.decode)
        view.subscribe(tables.apply)
        planning = PlanningLoop(
            registry=self.registry,
            keys=self.keys,
            view=view,
            tables=tables,
            fence=Fence(self.registry, leadership.entry),
            settings=self.settings,
            interval=self.interval,
            clock=asyncio.get_running_loop().time,
            wall_clock=lambda: datetime.now(UTC),
            say=self.say,
            metrics=self.metrics,
            check_every=self.check_every,
            since_silence=leadership.since_silence,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(view.run())
            group.create_task(planning.run())
            raise DeposedError(await leadership.lost())

    async def _resign(self, leadership: Leadership) -> None:
        try:
            async with asyncio.timeout(1.0):
                await leadership.resign()
        except (UnavailableError, LostRaceError, TimeoutError) as error:
            _log.info("%s leaves leadership to expire with its lease: %s", self.identity, error)
