"""The registry as one process reaches it: requests and news are messages, which take time and can be lost.

A request that was sent goes its way, whatever becomes of its sender: it may be applied after the sender has given it
up, has crashed, or while it is frozen. That is what fences are for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from fleetpy.errors import FleetError, UnavailableError
from fleetpy.registry.protocol import NEWEST, Registry
from tests.simulation.stream import QUICK, TIMEOUT, Stream

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from fleetpy.ids import LeaseID, Revision
    from fleetpy.registry.memory import MemoryStore
    from fleetpy.registry.protocol import Entry, Guard, LeaseTime, Page, Write
    from tests.simulation.timeline import VirtualLoop

R = TypeVar("R")

EXPIRY = 0.5
"""Seconds between two looks at the leases, at the most; every lease lasts longer."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What can happen to the messages of one process: probabilities of one message each, and times in seconds."""

    lost: float = 0.0
    """A request never arrives."""
    unanswered: float = 0.0
    """A request is carried out, and its answer is lost."""
    slow: float = 0.0
    """A message takes up to `delay`: long enough, perhaps, for its sender to have given it up."""
    delay: float = 0.0
    late: float = 0.0
    """A batch of a stream takes up to `lateness`, while requests are as quick as ever."""
    lateness: float = 0.0
    broken: float = 0.0
    """A stream breaks instead of giving its next batch."""
    repeated: float = 0.0
    """A stream gives a batch twice (etcd before 3.4.24)."""


FAIR = Weather()


class Network:
    """What is between the processes and the store; it has a loop of its own, which never freezes."""

    def __init__(self, store: MemoryStore, loop: VirtualLoop, dice: random.Random) -> None:
        self.store = store
        self.loop = loop
        self.dice = dice
        self.away = False
        """Nobody reaches the registry."""
        self.restored = 0
        """How many times the registry was set back: what was sent before goes nowhere."""
        loop.call_soon(self._expire)

    def travel_time(self, weather: Weather) -> float:
        """How long a request or an answer takes."""
        if weather.slow and self.dice.random() < weather.slow:
            return self.dice.uniform(0.0, weather.delay)
        return self.dice.uniform(0.0, QUICK)

    def arrival_time(self, weather: Weather) -> float:
        """How long a batch of a stream takes."""
        if weather.late and self.dice.random() < weather.late:
            return self.dice.uniform(0.0, weather.lateness)
        return self.travel_time(weather)

    def _expire(self) -> None:
        """Let leases run out in time, whether or not anybody asks for something."""
        self.store.expire()
        due, latest = self.store.next_expiry(), self.loop.time() + EXPIRY
        self.loop.call_at(latest if due is None else min(due, latest), self._expire)

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens now."""
        return probability > 0.0 and self.dice.random() < probability


class Line(Registry):
    """One process's connection; `committed` is told of each transaction that was applied."""

    def __init__(
        self, network: Network, committed: Callable[[Revision, Sequence[Write]], None] = lambda _revision, _writes: None
    ) -> None:
        self.weather = FAIR
        self._network = network
        self._committed = committed
        self._cut = False
        self._severed = False
        self._streams: list[Stream] = []

    @property
    def interrupted(self) -> bool:
        """Whether no message gets through."""
        return self._cut or self._network.away

    @property
    def is_behind(self) -> bool:
        """Whether a watch has yet to give what the weather of a moment ago holds up."""
        return any(stream.is_behind for stream in self._streams)

    def cut(self, *, off: bool) -> None:
        """Nothing gets through any more, or again."""
        self._cut = off
        self.check()

    def check(self) -> None:
        """The line, or the network, is different: let streams take note."""
        for stream in tuple(self._streams):
            stream.line_changed()

    def sever(self) -> None:
        """The process has ended: nothing is sent from here any more, and what arrives is for nobody."""
        self._severed = True
        for stream in tuple(self._streams):
            stream.break_off()

    def break_streams(self) -> None:
        """Every stream breaks, whatever it was about to give."""
        for stream in tuple(self._streams):
            stream.break_off()

    async def get(self, key: str) -> Entry | None:
        return await self._request(lambda store: store.get(key))

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        return await self._request(lambda store: {key: entry for key in keys if (entry := store.get(key)) is not None})

    async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
        return await self._request(lambda store: store.read(prefix, after=after, limit=limit, revision=revision))

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        def apply(store: MemoryStore) -> Revision:
            revision = store.commit(writes, guards)
            self._committed(revision, writes)
            return revision

        return await self._request(apply)

    def watch(self, prefix: str, *, start: Revision) -> Stream:
        if self._severed:
            raise UnavailableError("the process has ended")
        stream = Stream(self, self._network, prefix, start)
        self._streams.append(stream)
        return stream

    async def grant_lease(self, ttl: float) -> LeaseID:
        return await self._request(lambda store: store.grant(ttl))

    async def renew_lease(self, lease: LeaseID) -> float:
        return await self._request(lambda store: store.renew(lease))

    async def lease_time(self, lease: LeaseID) -> LeaseTime | None:
        return await self._request(lambda store: store.time_of(lease))

    async def revoke_lease(self, lease: LeaseID) -> None:
        await self._request(lambda store: store.revoke(lease))

    async def close(self) -> None:
        self.sever()

    def forget(self, stream: Stream) -> None:
        """A stream has ended."""
        if stream in self._streams:
            self._streams.remove(stream)

    async def _request(self, act: Callable[[MemoryStore], R]) -> R:
        if self._severed:
            raise UnavailableError("the process has ended")
        request = _Request(self, self._network, act)
        request.send()
        return await request.answer


class _Request(Generic[R]):
    """A question on its way to the store, and its answer on the way back."""

    def __init__(self, line: Line, network: Network, act: Callable[[MemoryStore], R]) -> None:
        self.answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._line = line
        self._network = network
        self._act = act
        self._sent_to = network.restored
        self._given_up = network.loop.time() + TIMEOUT

    def send(self) -> None:
        """Let it travel. It arrives even if it takes so long that nobody waits for its answer any more."""
        there = self._network.travel_time(self._line.weather)
        self._network.loop.call_later(there, self._arrive)
        if there >= TIMEOUT:
            self._fail()

    def _arrive(self) -> None:
        network, weather = self._network, self._line.weather
        if self._line.interrupted or self._is_void() or network.happens(weather.lost):
            self._fail()
            return
        network.store.expire()
        answer: R | FleetError
        try:
            answer = self._act(network.store)
        except FleetError as error:
            answer = error
        back = network.loop.time() + network.travel_time(weather)
        if back < self._given_up:
            network.loop.call_at(back, self._return, answer)
        else:
            self._fail()

    def _return(self, answer: R | FleetError) -> None:
        if self._line.interrupted or self._is_void() or self._network.happens(self._line.weather.unanswered):
            self._fail()
        elif self.answer.done():
            return
        elif isinstance(answer, FleetError):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)

    def _is_void(self) -> bool:
        """Whether the connection that it was sent over is gone."""
        return self._sent_to != self._network.restored

    def _fail(self) -> None:
        """There will be no answer; the sender waits for it a while."""
        self._network.loop.call_at(max(self._given_up, self._network.loop.time()), self._give_up)

    def _give_up(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(UnavailableError("the registry did not answer in time"))
