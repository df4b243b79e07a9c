"""A registry that goes wrong as a network does, in front of another one: seeded, so that a failure replays.

It is a real implementation of the protocol: without faults it passes the contract's suite, as any other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from fleetpy.errors import UnavailableError
from fleetpy.registry.protocol import NEWEST, Registry, Watch

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from fleetpy.ids import LeaseID, Revision
    from fleetpy.registry.protocol import Entry, EventBatch, Guard, LeaseTime, Page, Write

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what goes wrong, as probabilities of one request or one batch."""

    refused: float = 0.0
    """A request never arrives."""
    unanswered: float = 0.0
    """A request is carried out, and its answer is lost."""
    broken: float = 0.0
    """A watch breaks instead of giving its next batch, which is lost with it."""
    repeated: float = 0.0
    """A watch gives a batch twice, as etcd 3.4.23 may."""
    delay: float = 0.0
    """The longest time that an answer or a batch takes, in seconds."""
    late: float = 0.0
    """How much later than it came a watch gives each batch, in seconds."""


class FaultyRegistry(Registry):
    """In front of `inner`; `break_watches`, `cut` and `switch` make more trouble, by hand."""

    def __init__(self, inner: Registry, dice: random.Random, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._inner = inner
        self._dice = dice
        self._cut = False
        self._watches: set[_FaultyWatch] = set()

    async def break_watches(self) -> None:
        """Every running watch breaks, whatever it was about to give."""
        for watch in tuple(self._watches):
            await watch.break_off()

    async def cut(self, *, off: bool) -> None:
        """Nothing gets through any more, or again."""
        self._cut = off
        await self.break_watches()

    async def switch(self, inner: Registry, *, noticed: bool = True) -> None:
        """Stand in front of another registry, as after a store was restored; watches break, or are just silent."""
        self._inner = inner
        if noticed:
            await self.break_watches()

    async def get(self, key: str) -> Entry | None:
        return await self._request(lambda: self._inner.get(key))

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        return await self._request(lambda: self._inner.get_many(keys))

    async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
        return await self._request(lambda: self._inner.page(prefix, after=after, limit=limit, revision=revision))

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        return await self._request(lambda: self._inner.commit(writes, guards=guards))

    def watch(self, prefix: str, *, start: Revision) -> Watch:
        watch = _FaultyWatch(self, self._inner.watch(prefix, start=start))
        self._watches.add(watch)
        return watch

    async def grant_lease(self, ttl: float) -> LeaseID:
        return await self._request(lambda: self._inner.grant_lease(ttl))

    async def renew_lease(self, lease: LeaseID) -> float:
        return await self._request(lambda: self._inner.renew_lease(lease))

    async def lease_time(self, lease: LeaseID) -> LeaseTime | None:
        return await self._request(lambda: self._inner.lease_time(lease))

    async def revoke_lease(self, lease: LeaseID) -> None:
        return await self._request(lambda: self._inner.revoke_lease(lease))

    async def close(self) -> None:
        await self._inner.close()

    async def pass_time(self) -> None:
        """What a message takes on its way."""
        if self.faults.delay:
            await asyncio.sleep(self._dice.uniform(0, self.faults.delay))

    def happens(self, probability: float) -> bool:
        return self._dice.random() < probability

    def check_line(self) -> None:
        if self._cut:
            raise UnavailableError("the line is cut")

    def forget(self, watch: _FaultyWatch) -> None:
        self._watches.discard(watch)

    async def _request(self, send: Callable[[], Coroutine[None, None, R]]) -> R:
        await self.pass_time()
        self.check_line()
        if self.happens(self.faults.refused):
            raise UnavailableError("a request was lost")
        answer = await send()
        await self.pass_time()
        self.check_line()
        if self.happens(self.faults.unanswered):
            raise UnavailableError("an answer was lost")
        return answer


class _FaultyWatch(Watch):
    def __init__(self, registry: FaultyRegistry, inner: Watch) -> None:
        self._registry = registry
        self._inner = inner
        self._ready: EventBatch | None = None
        self._given: EventBatch | None = None
        self._broken = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBatch:
        self._check()
        if self._given is not None and self._registry.happens(self._registry.faults.repeated):
            return self._given
        if self._ready is None:
            self._ready = await anext(self._inner, None)
        await asyncio.sleep(self._registry.faults.late)
        await self._registry.pass_time()
        self._broken = self._broken or self._registry.happens(self._registry.faults.broken)
        self._check()
        if self._ready is None:
            raise StopAsyncIteration
        self._given, self._ready = self._ready, None
        return self._given

    async def request_progress(self) -> bool:
        return not (self._broken or self._closed) and await self._inner.request_progress()

    async def aclose(self) -> None:
        self._closed = True
        self._registry.forget(self)
        await self._inner.aclose()

    async def break_off(self) -> None:
        self._broken = True
        await self._inner.aclose()

    def _check(self) -> None:
        if self._closed:
            raise StopAsyncIteration
        self._registry.check_line()
        if self._broken:
            raise UnavailableError("a watch broke")
