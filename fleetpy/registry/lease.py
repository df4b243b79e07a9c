"""Keeping a lease alive, come what may to the rest of the process.

`Renewer` does it in the event loop that it is used in; `LeaseKeeper` has a thread, a loop and a connection of its own
for it, so that a process that is busy, or waits for something else, does not lose its lease.

The lease is renewed three times in its life. `LeaseStatus.deadline` is the moment from which on the lease may be gone,
as far as this host can know: the lease's seconds counted from *before* the last renewal was sent, so that it never lies
later than the store's own. It is measured by `CLOCK_BOOTTIME` (clock_gettime(2)), which goes on while the host sleeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from fleetpy.errors import UnavailableError
from fleetpy.ids import NO_LEASE
from fleetpy.registry.protocol import LeaseGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fleetpy.ids import LeaseID
    from fleetpy.registry.protocol import Registry

_log = logging.getLogger(__name__)
R = TypeVar("R")

RENEWALS = 3
"""How many times a lease is renewed in its life."""
RETRY = 0.3
"""Seconds between tries to renew while the registry is away."""


def boot_time() -> float:
    """Seconds since the host was started, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """The lease that is held, `NO_LEASE` for none, and when it may be gone (seconds of the holder's clock)."""

    lease: LeaseID = NO_LEASE
    deadline: float = -math.inf


class LeaseHolder(Protocol):
    """Holds one lease at a time."""

    @property
    def status(self) -> LeaseStatus:
        """What is held now. May be read from any thread."""
        ...

    @property
    def listeners(self) -> list[Callable[[LeaseStatus], None]]:
        """Who is told each new status, renewals included, in the thread that renews; they must not block or raise."""
        ...

    def now(self) -> float:
        """Seconds of the clock that `LeaseStatus.deadline` is measured by."""
        ...

    async def grant(self) -> LeaseID:
        """Hold a new lease; one that was held is left to expire. Raises `UnavailableError`."""
        ...

    async def adopt(self, lease: LeaseID) -> bool:
        """Hold a lease that exists, as an earlier process left it; False if it is gone. Raises `UnavailableError`."""
        ...

    async def lost(self) -> None:
        """Wait until the store has said that the lease that was held is gone; nothing is held then."""
        ...

    async def revoke(self) -> None:
        """Hold nothing, and have what hung on the lease removed at once. Raises `UnavailableError`."""
        ...


class Renewer(LeaseHolder):
    """A lease holder in the loop that runs it."""

    def __init__(self, registry: Registry, ttl: float, clock: Callable[[], float] = boot_time) -> None:
        self._registry = registry
        self._ttl = ttl
        self._clock = clock
        self._status = LeaseStatus()
        self._listeners: list[Callable[[LeaseStatus], None]] = []
        self._due_at = math.inf
        self._rescheduled = asyncio.Event()
        self._gone = asyncio.Event()
        self._failing = False

    @property
    def status(self) -> LeaseStatus:
        """See `LeaseHolder.status`."""
        return self._status

    @property
    def listeners(self) -> list[Callable[[LeaseStatus], None]]:
        """See `LeaseHolder.listeners`."""
        return self._listeners

    def now(self) -> float:
        """See `LeaseHolder.now`."""
        return self._clock()

    async def grant(self) -> LeaseID:
        """See `LeaseHolder.grant`."""
        sent = self._clock()
        lease = await self._registry.grant_lease(self._ttl)
        self._hold(LeaseStatus(lease, sent + self._ttl))
        return lease

    async def adopt(self, lease: LeaseID) -> bool:
        """See `LeaseHolder.adopt`."""
        sent = self._clock()
        try:
            seconds = await self._registry.renew_lease(lease)
        except LeaseGoneError:
            return False
        self._hold(LeaseStatus(lease, sent + seconds))
        return True

    async def lost(self) -> None:
        """See `LeaseHolder.lost`."""
        await self._gone.wait()

    async def revoke(self) -> None:
        """See `LeaseHolder.revoke`."""
        lease = self._status.lease
        self._hold(LeaseStatus())
        if lease != NO_LEASE:
            await self._registry.revoke_lease(lease)

    async def run(self) -> NoReturn:
        """Renew what is held."""
        loop = asyncio.get_running_loop()
        while True:
            self._rescheduled.clear()
            try:
                async with asyncio.timeout_at(self._due_at if self._due_at < math.inf else None):
                    await self._rescheduled.wait()
            except TimeoutError:
                self._due_at = loop.time() + await self._renew(self._status.lease)

    def _become(self, status: LeaseStatus) -> None:
        self._status = status
        for tell in self._listeners:
            tell(status)

    def _hold(self, status: LeaseStatus) -> None:
        self._become(status)
        self._gone.clear()
        held = status.lease != NO_LEASE
        self._due_at = asyncio.get_running_loop().time() + self._interval() if held else math.inf
        self._rescheduled.set()

    def _interval(self) -> float:
        # Many hosts that lost etcd together do not come back together.
        return self._ttl / RENEWALS * random.uniform(0.85, 1.0)  # noqa: S311 - not a secret

    async def _renew(self, lease: LeaseID) -> float:
        """Renew once; the seconds until the next time."""
        sent = self._clock()
        try:
            seconds = await self._registry.renew_lease(lease)
        except LeaseGoneError:
            if self._status.lease == lease:
                _log.warning("lease %x has expired", lease)
                self._become(LeaseStatus())
                self._gone.set()
            return math.inf if self._status.lease == NO_LEASE else self._interval()
        except UnavailableError as error:
            _log.log(logging.DEBUG if self._failing else logging.WARNING, "lease %x is not renewed: %s", lease, error)
            self._failing = True
            return RETRY
        if self._failing:
            _log.info("lease %x is renewed again", lease)
            self._failing = False
        if self._status.lease == lease:
            self._become(LeaseStatus(lease, sent + seconds))
        return self._interval()


class LeaseKeeper(LeaseHolder):
    """A lease holder with a thread of its own; `run` is that thread's life. Used from one event loop.

    `connect` makes the registry that only the thread uses. Its requests had better be short, a sixth of `ttl` or less,
    so that a member of etcd that hangs costs no lease.
    """

    def __init__(self, connect: Callable[[], Registry], ttl: float, clock: Callable[[], float] = boot_time) -> None:
        self._connect = connect
        self._ttl = ttl
        self._clock = clock
        self._listeners: list[Callable[[LeaseStatus], None]] = []
        self._renewer: Renewer | None = None
        self._thread_loop: asyncio.AbstractEventLoop | None = None
        self._ready = asyncio.Event()

    @property
    def status(self) -> LeaseStatus:
        """See `LeaseHolder.status`."""
        return self._renewer.status if self._renewer is not None else LeaseStatus()

    @property
    def listeners(self) -> list[Callable[[LeaseStatus], None]]:
        """See `LeaseHolder.listeners`."""
        return self._listeners

    def now(self) -> float:
        """See `LeaseHolder.now`."""
        return self._clock()

    async def grant(self) -> LeaseID:
        """See `LeaseHolder.grant`."""
        return await self._ask(lambda renewer: renewer.grant())

    async def adopt(self, lease: LeaseID) -> bool:
        """See `LeaseHolder.adopt`."""
        return await self._ask(lambda renewer: renewer.adopt(lease))

    async def lost(self) -> None:
        """See `LeaseHolder.lost`."""
        await self._ask(lambda renewer: renewer.lost())

    async def revoke(self) -> None:
        """See `LeaseHolder.revoke`."""
        await self._ask(lambda renewer: renewer.revoke())

    async def run(self) -> NoReturn:
        """Renew in a thread; when cancelled, end the thread and leave the lease to run on."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        thread_loop, stop = asyncio.new_event_loop(), asyncio.Event()
        threading.Thread(target=self._live, args=(thread_loop, stop, ended), name="lease", daemon=True).start()
        failure: BaseException | None = None
        try:
            await asyncio.wait([ended])
        finally:
            with contextlib.suppress(RuntimeError):  # It has ended by itself, and its loop is closed.
                thread_loop.call_soon_threadsafe(stop.set)
            await asyncio.wait([ended])
            failure = ended.exception()
            if failure is not None:
                _log.error("the thread that renews the lease has failed: %s", failure)
        raise failure or RuntimeError("the thread that renews the lease has ended")

    def _live(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event, ended: asyncio.Future[None]) -> None:
        """The thread."""
        tell = partial(ended.set_result, None)
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._renew_until(stop, ended.get_loop()))
        except BaseException as error:  # noqa: BLE001 - whatever it is, who runs the keeper gets it
            tell = partial(ended.set_exception, error)
        finally:
            with contextlib.suppress(RuntimeError):  # Nobody waits for it: the process ends.
                ended.get_loop().call_soon_threadsafe(tell)

    async def _renew_until(self, stop: asyncio.Event, owner: asyncio.AbstractEventLoop) -> None:
        registry = self._connect()
        self._renewer = Renewer(registry, self._ttl, self._clock)
        self._renewer.listeners.append(self._tell)
        self._thread_loop = asyncio.get_running_loop()
        owner.call_soon_threadsafe(self._ready.set)
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renewer.run())
                await stop.wait()
                renewing.cancel()
        finally:
            await registry.close()

    def _tell(self, status: LeaseStatus) -> None:
        for tell in self._listeners:
            tell(status)

    async def _ask(self, question: Callable[[Renewer], Coroutine[None, None, R]]) -> R:
        """Have the thread do something, and wait for it."""
        await self._ready.wait()
        if self._renewer is None or self._thread_loop is None or self._thread_loop.is_closed():
            raise UnavailableError("the thread that renews the lease has ended")
        asked = asyncio.run_coroutine_threadsafe(question(self._renewer), self._thread_loop)
        return await asyncio.wrap_future(asked)
