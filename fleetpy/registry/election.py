"""Electing a leader: whoever creates the key leads while the key, and the lease that it hangs on, lasts.

A candidate writes the key only if it is absent; if it is not, it watches the key until it is removed. Nobody polls. The
leader's every write is to be guarded by the key's value, of which there is no second (`new_value`), since nothing else
keeps one that was deposed from writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.ids import NO_LEASE, Revision
from fleetpy.model.records import LeaderRecord
from fleetpy.registry.backoff import Backoff
from fleetpy.registry.protocol import (
    Absent,
    Delete,
    Deleted,
    Entry,
    GuardFailedError,
    LeaseGoneError,
    Put,
    UnchangedSince,
    ValueIs,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.registry.lease import LeaseHolder, LeaseStatus
    from fleetpy.registry.protocol import Registry

_log = logging.getLogger(__name__)

LOOK = 0.5
"""The most seconds between looks at the lease's deadline, which lies on a clock that can jump when the host wakes."""

INSTANT = 0.001
"""Seconds. A deadline this near is taken for reached: waiting for less is not worth it, and clocks are not so exact."""

_OVERDUE = "the lease could not be renewed in time"


def new_value(record: LeaderRecord) -> bytes:
    """The value for one writing of the leader's key; no two are the same."""
    return record.replace(writing=secrets.token_hex(8)).encode()


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class Election:
    """One candidate for one key; `holder` holds the lease that it leads by, and is run by somebody else."""

    def __init__(
        self, registry: Registry, key: str, holder: LeaseHolder, wall_clock: Callable[[], datetime] = _wall_clock
    ) -> None:
        self._registry = registry
        self._key = key
        self._holder = holder
        self._wall_clock = wall_clock
        self._held = NO_LEASE
        self._ended_at = -math.inf
        """When a lease of ours was last found to be gone."""
        holder.listeners.append(self._note)

    def _note(self, status: LeaseStatus) -> None:
        if status.lease == NO_LEASE != self._held:
            self._ended_at = self._holder.now()
        self._held = status.lease

    async def campaign(self, identity: str) -> Leadership:
        """Wait until elected. What goes wrong on the way is logged and tried again."""
        backoff = Backoff()
        while True:
            try:
                outcome = await self._stand(identity)
                if isinstance(outcome, Leadership):
                    return outcome
                if outcome is not None:
                    _log.debug("%s waits for %s to be given up", identity, self._key)
                    await _removal(self._registry, outcome)
            except (UnavailableError, LostRaceError) as error:
                level = logging.DEBUG if backoff.failures else logging.WARNING
                _log.log(level, "%s cannot stand for election and tries again: %s", identity, error)
                await backoff.wait()
            else:
                backoff.reset()

    async def _stand(self, identity: str) -> Leadership | Entry | None:
        """Take the key if it is free. Leadership, or the key as somebody else holds it; None if it is free again.

        Every term begins with the key being written, also where it is ours already: what an earlier term of ours still
        has under way cannot be written in this one.
        """
        status = self._holder.status
        lease = status.lease
        if lease == NO_LEASE:
            lease = await self._holder.grant()
        elif status.deadline - self._holder.now() < INSTANT:
            raise UnavailableError(_OVERDUE)
        value = new_value(LeaderRecord(identity=identity, since=self._wall_clock()))
        guard: Absent | UnchangedSince = Absent(self._key)
        while True:
            try:
                await self._registry.commit([Put(self._key, value, lease)], guards=[guard])
            except GuardFailedError:
                pass  # Held by another, or by us: a term has just ended, or the answer to an earlier try was lost.
            except LeaseGoneError:
                self._ended_at = self._holder.now()
                await self._holder.grant()
                raise
            leader = await self._registry.get(self._key)
            if leader is None or leader.lease != lease:
                return leader
            if leader.value == value:
                return Leadership(self._registry, self._holder, leader, self._holder.now() - self._ended_at)
            guard = UnchangedSince(self._key, leader.mod_revision)


class Leadership:
    """A term of leadership; `entry` is the leader's key as it was when the term began.

    `since_silence`: seconds that had gone by then since a lease of the leader's own was found to be gone, which takes a
    registry that was away for longer than it lasts, or a leader that was; infinite if that has not happened.
    """

    def __init__(self, registry: Registry, holder: LeaseHolder, entry: Entry, since_silence: float = math.inf) -> None:
        self.entry = entry
        self.since_silence = since_silence
        self._registry = registry
        self._holder = holder

    async def lost(self) -> str:
        """Wait until the term is over: the key is gone or another's, or the lease may have run out. Says which."""
        async with asyncio.TaskGroup() as group:
            ends = [group.create_task(self._key_lost()), group.create_task(self._lease_lost())]
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
        return done.pop().result()

    async def resign(self) -> None:
        """Give the key up, for the next one to lead at once; the lease is left. Raises `UnavailableError`."""
        leader = await self._registry.get(self.entry.key)
        if leader is not None and leader.continues(self.entry):
            with contextlib.suppress(LostRaceError):  # It has just been lost.
                await self._registry.commit([Delete(leader.key)], guards=[ValueIs(leader.key, leader.value)])

    async def _lease_lost(self) -> str:
        while (status := self._holder.status).lease == self.entry.lease:
            left = status.deadline - self._holder.now()
            if left < INSTANT:
                return _OVERDUE
            await asyncio.sleep(min(left, LOOK))
        return "the lease has expired"

    async def _key_lost(self) -> str:
        backoff = Backoff()
        while True:
            try:
                leader = await self._registry.get(self.entry.key)
                if leader is None or not leader.continues(self.entry):
                    return "the leader's key is gone, or another's"
                backoff.reset()
                await _removal(self._registry, leader)
            except (UnavailableError, LostRaceError):
                # The lease's deadline tells when that has lasted too long.
                await backoff.wait()


async def _removal(registry: Registry, entry: Entry) -> None:
    """Wait until a key is removed. Raises `LostRaceError` or `UnavailableError`: then look again."""
    async with aclosing(registry.watch(entry.key, start=Revision(entry.mod_revision + 1))) as watch:
        async for batch in watch:
            if any(isinstance(event, Deleted) and event.key == entry.key for event in batch.events):
                return
