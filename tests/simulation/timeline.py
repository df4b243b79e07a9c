"""Virtual time, shared by many event loops: one for each process, so that each can be slow, frozen or gone by itself.

Time passes only when no loop has anything to do at present. When several have, the dice say which of them goes first:
in a cluster nothing orders what happens on two hosts at the same moment.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import events
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections import deque
    from collections.abc import Callable

_MOST_STEPS = 3_000_000
"""More than any run takes; one that does more has somebody in it who never waits."""


class _NoFiles:
    """The selector of a loop that watches no files and never waits."""

    def select(self, _timeout: float | None) -> list[object]:
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """One process's loop. While it is `frozen`, its timers run late and nothing of it runs."""

    # What typeshed leaves out: all that running a loop step by step needs to know of it.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _run_once: Callable[[], None]

    def __init__(self, timeline: Timeline, name: str) -> None:
        super().__init__()
        self.name = name
        self.frozen = False
        self._selector = _NoFiles()
        self._timeline = timeline
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._timeline.now

    def due(self) -> float:
        """When there is something to do; infinity for never."""
        if self._ready:
            return -math.inf
        return self._scheduled[0].when() if self._scheduled else math.inf

    def step(self) -> None:
        """Do what there is to do at present, once around."""
        events._set_running_loop(self)
        try:
            self._run_once()
        finally:
            events._set_running_loop(None)

    def _process_events(self, event_list: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody waits in a selector who would have to be woken."""


class Timeline:
    """All loops, and what time it is (seconds since the world began)."""

    def __init__(self, dice: random.Random) -> None:
        self.now = 0.0
        self.steps = 0
        self._dice = dice
        self._loops: list[VirtualLoop] = []

    def loop(self, name: str) -> VirtualLoop:
        """A new loop."""
        loop = VirtualLoop(self, name)
        self._loops.append(loop)
        return loop

    def drop(self, loop: VirtualLoop) -> None:
        """Nothing of the loop runs any more."""
        self._loops.remove(loop)
        loop.close()

    def run_until(self, moment: float, stop: Callable[[], bool] = bool) -> None:
        """Let time pass until then, or until `stop` says so after a step."""
        while self._step(moment) and not stop():
            pass

    def drain(self, loop: VirtualLoop, done: Callable[[], bool]) -> None:
        """Let this loop alone run, within one moment: what it is doing comes to its end."""
        for _ in range(1000):
            if done():
                return
            loop.step()
        raise AssertionError(f"{loop.name} does not end")

    def close(self) -> None:
        """The end of the world."""
        for loop in tuple(self._loops):
            self.drop(loop)

    def _step(self, until: float) -> bool:
        """One step of one loop; False when nothing is left to do before `until`."""
        soonest = math.inf
        first: list[VirtualLoop] = []
        for loop in self._loops:
            if loop.frozen:
                continue
            due = loop.due()
            due = max(due, self.now)
            if due < soonest:
                soonest, first = due, [loop]
            elif due == soonest:
                first.append(loop)
        if soonest > until:
            self.now = max(self.now, until)
            return False
        self.now = soonest
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise AssertionError(f"{self.steps} steps at {self.now:.3f} s: somebody never waits")
        (first[0] if len(first) == 1 else self._dice.choice(first)).step()
        return True
