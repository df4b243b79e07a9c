"""The registry in memory: what tests and simulations use, held to the same contract as etcd's.

    store = MemoryStore(clock=loop.time)
    agent, scheduler = MemoryRegistry(store), MemoryRegistry(store)

Each registry belongs to the event loop that uses it; the store may be shared between loops and threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from fleetpy.errors import UnavailableError
from fleetpy.registry.memory_store import MemoryStore, Subscription
from fleetpy.registry.protocol import NEWEST, Registry, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetpy.ids import LeaseID, Revision
    from fleetpy.registry.protocol import Entry, EventBatch, Guard, LeaseTime, Page, Write

__all__ = ["MemoryRegistry", "MemoryStore", "MemoryWatch"]

LEAST_WAIT = 0.001
"""Seconds. A lease is looked at this much late rather than again and again for a rounding error early."""


class MemoryWatch(Watch):
    """A watch of the store that lasts until it is closed, or its registry is."""

    def __init__(self, registry: MemoryRegistry, store: MemoryStore, prefix: str, start: Revision) -> None:
        if start <= 0:
            raise ValueError(f"a watch starts at revision 1 or later, not {start}")
        self._registry = registry
        self._store = store
        self._prefix = prefix
        self._start = start
        self._subscription: Subscription | None = None
        self._closed = False
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBatch:
        await asyncio.sleep(0)
        while True:
            if self._closed:
                raise StopAsyncIteration
            self._registry.check_open()
            self._store.expire()
            self._woken.clear()
            if self._subscription is None:
                self._subscription = self._store.subscribe(self._prefix, self._start, self.wake)
            batch = self._store.take(self._subscription)
            if batch is not None:
                return batch
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._registry.until_next_expiry()):
                    await self._woken.wait()

    async def request_progress(self) -> bool:
        """Have the watch give a batch that says how far it has come."""
        if self._subscription is None or self._closed:
            return False
        self._store.tell_progress(self._subscription)
        return True

    async def aclose(self) -> None:
        """End the watch."""
        self._closed = True
        self._registry.forget(self)
        if self._subscription is not None:
            self._store.unsubscribe(self._subscription)
        self._woken.set()

    def wake(self) -> None:
        """Look again; may be called from any thread."""
        with contextlib.suppress(RuntimeError):  # The loop that read this watch is closed, and nobody reads it.
            self._loop.call_soon_threadsafe(self._woken.set)


class MemoryRegistry(Registry):
    """A client of a `MemoryStore`. Each request yields to the event loop once, as if it had travelled."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._open = True
        self._watches: set[MemoryWatch] = set()

    async def get(self, key: str) -> Entry | None:
        """See `Registry.get`."""
        await self._travel()
        return self._store.get(key)

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """See `Registry.get_many`."""
        await self._travel()
        return {key: entry for key in keys if (entry := self._store.get(key)) is not None}

    async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
        """See `Registry.page`."""
        await self._travel()
        return self._store.read(prefix, after=after, limit=limit, revision=revision)

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        """See `Registry.commit`."""
        await self._travel()
        return self._store.commit(writes, guards)

    def watch(self, prefix: str, *, start: Revision) -> MemoryWatch:
        """See `Registry.watch`."""
        watch = MemoryWatch(self, self._store, prefix, start)
        self._watches.add(watch)
        return watch

    async def grant_lease(self, ttl: float) -> LeaseID:
        """See `Registry.grant_lease`."""
        await self._travel()
        return self._store.grant(ttl)

    async def renew_lease(self, lease: LeaseID) -> float:
        """See `Registry.renew_lease`."""
        await self._travel()
        return self._store.renew(lease)

    async def lease_time(self, lease: LeaseID) -> LeaseTime | None:
        """See `Registry.lease_time`."""
        await self._travel()
        return self._store.time_of(lease)

    async def revoke_lease(self, lease: LeaseID) -> None:
        """See `Registry.revoke_lease`."""
        await self._travel()
        self._store.revoke(lease)

    async def close(self) -> None:
        """See `Registry.close`."""
        self._open = False
        for watch in tuple(self._watches):
            watch.wake()

    def check_open(self) -> None:
        """Raise `UnavailableError` once the registry is closed."""
        if not self._open:
            raise UnavailableError("the registry in memory is closed")

    def until_next_expiry(self) -> float | None:
        """Seconds until a lease may run out; None if there is none."""
        due = self._store.next_expiry()
        return None if due is None else max(due - self._store.now(), LEAST_WAIT)

    def forget(self, watch: MemoryWatch) -> None:
        """A watch has ended."""
        self._watches.discard(watch)

    async def _travel(self) -> None:
        await asyncio.sleep(0)
        self.check_open()
        self._store.expire()
