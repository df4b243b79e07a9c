"""A program that runs: a loop for its work, one for its lease, a connection for each; it can crash at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from fleetpy.registry.lease import LeaseHolder, LeaseStatus, Renewer
from tests.simulation.network import FAIR, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.ids import LeaseID, Revision
    from fleetpy.registry.protocol import Write
    from tests.simulation.network import Network, Weather
    from tests.simulation.timeline import Clock, Timeline, VirtualLoop
    from tests.simulation.trace import Trace

R = TypeVar("R")
Program = Callable[["Line", "Keeper"], Coroutine[None, None, None]]


class Keeper(LeaseHolder):
    """`LeaseKeeper` with a virtual loop in the place of its thread: the lease lives while the program is busy."""

    def __init__(self, renewer: Renewer, loop: VirtualLoop) -> None:
        self._renewer = renewer
        self._loop = loop

    @property
    def status(self) -> LeaseStatus:
        return self._renewer.status

    @property
    def listeners(self) -> list[Callable[[LeaseStatus], None]]:
        return self._renewer.listeners

    def now(self) -> float:
        return self._renewer.now()

    async def grant(self) -> LeaseID:
        return await self._ask(self._renewer.grant())

    async def adopt(self, lease: LeaseID) -> bool:
        return await self._ask(self._renewer.adopt(lease))

    async def lost(self) -> None:
        await self._ask(self._renewer.lost())

    async def revoke(self) -> None:
        await self._ask(self._renewer.revoke())

    async def _ask(self, question: Coroutine[None, None, R]) -> R:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, self._loop))


class Process:
    """One program. `committed` is told of what it writes, `failed` if it ends by an error of its own."""

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        network: Network,
        trace: Trace,
        *,
        clock: Clock,
        ttl: float,
        committed: Callable[[Process, Revision, Sequence[Write]], None],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self.name = name
        self.clock = clock
        self.incarnation = 0
        self.weather: Weather = FAIR
        self._timeline = timeline
        self._network = network
        self._trace = trace
        self._ttl = ttl
        self._committed = committed
        self._failed = failed
        self._loop = timeline.loop(name, clock)
        self._keeper_loop = timeline.loop(f"{name} keeper", clock)
        self._lines: tuple[Line, ...] = ()
        self._main: asyncio.Task[None] | None = None
        self._cut = False
        self._ending = False
        self._next: Program | None = None

    @property
    def runs(self) -> bool:
        """Whether it has been started, and has not ended."""
        return self._main is not None

    @property
    def healthy(self) -> bool:
        """Whether it runs, undisturbed, and hears of everything at once."""
        reached = not self._cut and self.weather == FAIR and not self._network.away
        return self.runs and not self._loop.frozen and reached and not any(line.is_behind for line in self._lines)

    def start(self, program: Program) -> None:
        """Begin to run the program, unless it runs; once it has ended, if it is about to."""
        if self.runs:
            self._next = program if self._ending else None
            return
        self._ending, self._next = False, None
        self.incarnation += 1
        self._trace.note(self.name, "starts")
        line, keeper_line = Line(self._network, partial(self._committed, self)), Line(self._network)
        self._lines = (line, keeper_line)
        self._tell_lines()
        renewer = Renewer(keeper_line, self._ttl, self._loop.time)
        self._keeper_loop.create_task(renewer.run())
        self._main = self._loop.create_task(program(line, Keeper(renewer, self._keeper_loop)))
        self._main.add_done_callback(self._ended)

    def kill(self) -> None:
        """It ends, at whatever point it is; what it has sent goes its way."""
        if not self.runs:
            return
        self._trace.note(self.name, "is killed")
        self._main = None
        self._end()

    def terminate(self) -> None:
        """It is asked to end."""
        if self._main is not None:
            self._trace.note(self.name, "is told to end")
            self._ending = True
            self._main.cancel()

    def pause(self, *, keeper: bool = True) -> None:
        """It does not get to run; unless `keeper`, its lease is renewed all the same."""
        self._trace.note(self.name, "is paused" if keeper else "is busy")
        self._loop.frozen = True
        self._keeper_loop.frozen = keeper

    def resume(self) -> None:
        """It goes on."""
        if self._loop.frozen:
            self._trace.note(self.name, "goes on")
        self._loop.frozen = self._keeper_loop.frozen = False

    def cut(self, *, off: bool) -> None:
        """It reaches the registry no more, or again."""
        self._cut = off
        self._tell_lines()

    def network_changed(self) -> None:
        """The registry is away, or back."""
        for line in self._lines:
            line.check()

    def break_streams(self) -> None:
        """Its watches break."""
        for line in self._lines:
            line.break_streams()

    def set_weather(self, weather: Weather, keepers: Weather) -> None:
        """What can happen to its messages from now on, and to those that renew its lease."""
        self.weather = weather
        for line, what in zip(self._lines, (weather, keepers), strict=False):
            line.weather = what

    def _tell_lines(self) -> None:
        for line in self._lines:
            line.weather = self.weather
            line.cut(off=self._cut)

    def _ended(self, main: asyncio.Task[None]) -> None:
        if not main.cancelled() and (error := main.exception()) is not None:
            self._failed(self.name, error)
        if self._main is main:
            self._trace.note(self.name, "has ended")
            self._main = None
            self._network.loop.call_soon(self._clear_up, self._next)

    def _clear_up(self, following: Program | None) -> None:
        if not self.runs:
            self._end()
            if following is not None:
                self.start(following)

    def _end(self) -> None:
        """Nothing of it goes on."""
        for line in self._lines:
            line.sever()
        for loop in (self._loop, self._keeper_loop):
            self._timeline.end(loop)
