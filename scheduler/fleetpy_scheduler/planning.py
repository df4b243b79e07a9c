"""The leader's loop: look at the cluster, plan, write, and sleep until something happens.

One turn carries out one plan of the cluster as it then is. Events only wake the loop; what it does follows from the
difference between what is wanted and what is, so a missed event costs time and never truth: every `interval` seconds a
turn comes by itself. A turn begins only when the view has seen all that the turn before wrote.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NoReturn

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.planner.snapshot import Circumstances
from fleetpy.registry.backoff import Backoff
from fleetpy.registry.protocol import GuardFailedError
from fleetpy_scheduler.braking import forgetting, telling
from fleetpy_scheduler.collecting import collection
from fleetpy_scheduler.fence import DeposedError
from fleetpy_scheduler.keeping import KeptPlanner
from fleetpy_scheduler.losses import Losses
from fleetpy_scheduler.silence import LOOK_AGAIN, Silences
from fleetpy_scheduler.writer import transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from fleetpy.ids import UnitName
    from fleetpy.planner.actions import Action
    from fleetpy.planner.brake import Brake
    from fleetpy.planner.plan import Plan, PlanSettings
    from fleetpy.registry.cluster import Decoded, Tables
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Registry
    from fleetpy.registry.view import Changes, View
    from fleetpy_scheduler.fence import Fence
    from fleetpy_scheduler.metrics import EngineMetrics
    from fleetpy_scheduler.writer import Transaction

_log = logging.getLogger(__name__)

COLLECT_EVERY = 300.0
"""Seconds between looks for unit files that nothing refers to; it goes through all units, and nothing waits for it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the loop did, and when the next is due at the latest (seconds of the loop's clock)."""

    written: tuple[Action, ...]
    pending: int
    wake_at: float
    complete: bool
    """False when a guard did not hold: the picture was old, and the next turn is due at once."""


class SetBackError(LostRaceError):
    """The registry was set back to an older state. Who is live will only be known when all have registered again."""


class PlanningLoop:
    """One term of leadership, from the view's first reading on."""

    def __init__(  # noqa: PLR0913 - what it works with, wired once in main
        self,
        *,
        registry: Registry,
        keys: Keys,
        view: View[Decoded],
        tables: Tables,
        fence: Fence,
        settings: PlanSettings,
        interval: float,
        clock: Callable[[], float],
        wall_clock: Callable[[], datetime],
        say: Callable[[str], None],
        metrics: EngineMetrics,
        check_every: float,
        since_silence: float = math.inf,
    ) -> None:
        """`since_silence`: see `Leadership`."""
        self._registry = registry
        self._keys = keys
        self._view = view
        self._tables = tables
        self._fence = fence
        self._planner = KeptPlanner(tables, keys, settings, metrics, check_every)
        view.subscribe(self._planner.apply)
        view.subscribe(self._end_term_if_set_back)
        self._interval = interval
        self._clock = clock
        self._wall_clock = wall_clock
        self._say = say
        self._metrics = metrics
        self._led_since: float | None = None
        self._unheard_for = settings.ttl - since_silence
        """For how long from the term's beginning a machine that goes missing may only not have been heard."""
        self._losses = Losses(settings.mass_loss_hold)
        self._silences = Silences(registry, settings)
        self._pending: dict[UnitName, str] = {}
        self._said = ""
        self._brake: Brake | None = None
        self._woken = asyncio.Event()
        self._unsettled = False
        """A write's answer never came: nothing is planned before the fence was renewed."""
        self._set_back = False

    async def run(self) -> NoReturn:
        """Plan until the term ends by `DeposedError`, `SetBackError` or cancellation."""
        await self._view.synced()
        self._view.subscribe(self._wake)
        backoff = Backoff()
        collect_at = self._clock() + COLLECT_EVERY
        while True:
            try:
                with self._metrics.turn():
                    turn = await self.turn()
                if turn.complete and self._clock() >= collect_at:
                    await self.collect()
                    collect_at = self._clock() + COLLECT_EVERY
            except UnavailableError as error:
                level = logging.DEBUG if backoff.failures else logging.WARNING
                _log.log(level, "Cannot write placements, and tries again: %s", error)
                await backoff.wait()
                continue
            backoff.reset()
            if turn.complete:
                await self._sleep_until(turn.wake_at)

    async def turn(self) -> Turn:
        """Look, plan and write once.

        Raises `DeposedError` when this scheduler no longer leads, `SetBackError` when it is to lead anew, and
        `UnavailableError` when the registry is away.
        """
        if self._unsettled:
            await self._view.at_least(await self._fence.renew())
            self._unsettled = False
        self._woken.clear()
        now = self._clock()
        if self._led_since is None:
            self._led_since = now
        lost_at = self._losses.update(self._tables.placed_machines(), self._tables.machines, now)
        silent = await self._silences.update(lost_at, self._tables.machines, now)
        circumstances = Circumstances(
            self._tables.revision,
            lost_at,
            self._led_since,
            self._led_since + self._unheard_for,
            self._brake,
            silent,
            self._tables.released,
        )
        self._check_term()
        planned = self._planner.plan(circumstances, now)
        complete = await self._write_all(
            chain(
                transactions(planned.actions, self._keys),
                telling(planned.brake, self._tables, self._keys, now, self._wall_clock()),
                forgetting(lost_at, self._tables, self._keys),
            )
        )
        self._tell(planned)
        interval = LOOK_AGAIN if silent else self._interval
        wake_at = min(now + interval, planned.wake_at if planned.wake_at is not None else float("inf"))
        return Turn(planned.actions, len(planned.pending), wake_at, complete)

    async def collect(self) -> None:
        """Remove the unit files that nothing refers to; raises what `turn` raises."""
        await self._write_all(collection(self._tables, self._keys))

    async def _write_all(self, batches: Iterable[Transaction]) -> bool:
        """Write in order until a guard other than the fence fails; True if all was written.

        Returns when the view shows whatever was written.
        """
        seen = self._view.revision
        complete = True
        for batch in batches:
            self._check_term()
            try:
                with self._metrics.writing(batch.actions):
                    seen = await self._registry.commit(batch.writes, guards=[self._fence.guard, *batch.guards])
            except GuardFailedError as error:
                if self._fence.guard in error.failed:
                    raise DeposedError("another scheduler leads") from error
                _log.info("Plans again, since the cluster has moved on: %s", error)
                seen, complete = error.revision, False
                break
            except UnavailableError:
                self._unsettled = True
                raise
            for action in batch.actions:
                _log.debug("%s", action)
        await self._view.at_least(seen)
        return complete

    def _tell(self, planned: Plan) -> None:
        self._metrics.pending(len(planned.pending))
        if planned.actions:
            _log.info("%s", _sentence(planned.actions))
        for name, reason in planned.pending.items():
            if self._pending.get(name) != reason:
                _log.info("%s is pending: %s", name, reason)
        status = f"Leads; {len(self._tables.machines)} machines, {len(planned.pending)} units pending"
        if status != self._said:
            self._say(status)
            self._said = status
        self._pending = dict(planned.pending)
        self._tell_brake(planned.brake)

    def _tell_brake(self, brake: Brake | None) -> None:
        before, self._brake = self._brake, brake
        if brake is None and before is not None:
            _log.warning("The brake on mass failure is off")
        elif brake is not None and (before is None or brake.why != before.why):
            _log.warning("The brake on mass failure is on: %s. `fleetctl brake` shows and releases it", brake.why)

    def _end_term_if_set_back(self, changes: Changes[Decoded]) -> None:
        if changes.set_back:
            self._set_back = True
            self._woken.set()

    def _check_term(self) -> None:
        """Nothing that was decided in one past is written into another, even if the fence holds there."""
        if self._set_back:
            raise SetBackError("the registry was set back to an older state")

    def _wake(self, changes: Changes[Decoded]) -> None:
        if self._tables.matters_to_planning(changes):
            self._woken.set()

    async def _sleep_until(self, moment: float) -> None:
        try:
            async with asyncio.timeout_at(moment):
                await self._woken.wait()
        except TimeoutError:
            pass


def _sentence(actions: Sequence[Action]) -> str:
    """What a turn did, in one line: each action when they are few, else how many of each kind and why."""
    few = 3
    if len(actions) <= few:
        return "; ".join(map(str, actions))
    kinds = Counter((type(action).__name__, action.reason) for action in actions)
    parts = [f"{count} x {kind} ({reason})" for (kind, reason), count in kinds.most_common(few)]
    rest = len(kinds) - few
    return "; ".join(parts) + (f"; and {rest} other reasons" if rest > 0 else "")
