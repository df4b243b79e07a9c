"""What a watch gives, as it arrives over a line: late, twice, not at all.

Batches do not overtake one another. A watch that is cut off falls silent, as one over TCP does; when the line is back
soon, it goes on where it was, and otherwise it breaks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

from fleetpy.errors import FleetError, UnavailableError
from fleetpy.registry.protocol import EventBatch, Watch

if TYPE_CHECKING:
    from fleetpy.ids import Revision
    from fleetpy.registry.memory_store import Subscription
    from tests.simulation.network import Line, Network

QUICK = 0.002
"""Seconds that a message takes at the most, as long as nothing is wrong."""

TIMEOUT = 1.0
"""Seconds after which a request is given up (`EtcdSettings.request_timeout`)."""

HALF_OPEN = 6.0
"""Seconds after which, at the latest, a stream notices that its line is cut."""


class Stream(Watch):
    """A watch over a line."""

    def __init__(self, line: Line, network: Network, prefix: str, start: Revision) -> None:
        self._line = line
        self._network = network
        self._prefix = prefix
        self._start = start
        self._subscription: Subscription | None = None
        self._asked = False
        self._arrived: deque[EventBatch] = deque()
        self._held: deque[EventBatch] = deque()
        self._under_way: deque[EventBatch] = deque()
        self._last_arrival = 0.0
        self._failure: Exception | None = None
        self._closed = False
        self._woken = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBatch:
        if not self._asked:
            self._asked = True
            self._network.loop.call_later(self._network.travel_time(self._line.weather), self._begin)
        while True:
            self._woken.clear()
            if self._closed:
                raise StopAsyncIteration
            if self._arrived:
                return self._arrived.popleft()
            if self._failure is not None:
                raise self._failure
            await self._woken.wait()

    async def request_progress(self) -> bool:
        if self._closed or self._failure is not None:
            return False
        self._network.loop.call_later(self._network.travel_time(self._line.weather), self._tell_progress)
        return True

    async def aclose(self) -> None:
        self._closed = True
        self._end()

    @property
    def is_behind(self) -> bool:
        """Whether something is under way that takes longer than it does on a good day."""
        return self._last_arrival - self._network.loop.time() > QUICK

    def break_off(self) -> None:
        """The stream breaks; what has not arrived is lost."""
        if self._failure is None:
            self._failure = UnavailableError("a stream broke")
            self._end()

    def line_changed(self) -> None:
        """The line was cut, or works again."""
        if not self._line.interrupted:
            held, self._held = self._held, deque()
            self._under_way.extendleft(reversed(held))  # Before those that were sent later, and are still under way.
            for _ in held:
                self._expect()
        else:
            self._network.loop.call_later(self._network.dice.uniform(0.5, HALF_OPEN), self._break_if_cut)

    def _break_if_cut(self) -> None:
        if self._line.interrupted:
            self.break_off()

    def _end(self) -> None:
        self._line.forget(self)
        if self._subscription is not None:
            self._network.store.unsubscribe(self._subscription)
            self._subscription = None
        self._woken.set()

    def _begin(self) -> None:
        if self._closed or self._failure is not None:
            return
        if self._line.interrupted:
            self._network.loop.call_later(TIMEOUT, self.break_off)
            return
        try:
            self._subscription = self._network.store.subscribe(self._prefix, self._start, self._take)
        except FleetError as error:
            self._failure = error
            self._end()
            return
        self._take()

    def _tell_progress(self) -> None:
        if self._subscription is not None and not self._line.interrupted:
            self._network.store.tell_progress(self._subscription)

    def _take(self) -> None:
        """The store has news for this watch."""
        if self._subscription is None:
            return
        batch = self._network.store.take(self._subscription)
        if batch is not None:
            self._dispatch(batch)

    def _dispatch(self, batch: EventBatch) -> None:
        """Send a batch on its way."""
        self._under_way.append(batch)
        self._expect()

    def _expect(self) -> None:
        """Have the next batch that is under way arrive."""
        loop = self._network.loop
        self._last_arrival = max(self._last_arrival, loop.time() + self._network.arrival_time(self._line.weather))
        loop.call_at(self._last_arrival, self._arrive)

    def _arrive(self) -> None:
        batch = self._under_way.popleft()
        if self._closed or self._failure is not None:
            return
        if self._line.interrupted:
            self._held.append(batch)
            return
        weather = self._line.weather
        if self._network.happens(weather.broken):
            self.break_off()
            return
        self._arrived.append(batch)
        if batch.events and self._network.happens(weather.repeated):
            self._arrived.append(batch)
        self._woken.set()
