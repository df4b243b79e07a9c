"""Virtual time, shared by many event loops: one for each process, so that each can be slow, frozen or gone by itself.

Each machine has its own clock, which began at another number than the others' and may be fast or slow: whoever compares
two of them is found out.

Time passes only when no loop has anything to do at present. When several have, the dice say which of them goes first:
in a cluster nothing orders what happens on two hosts at the same moment.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import events
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import random
    from collections import deque
    from collections.abc import Callable

_MOST_STEPS = 3_000_000
"""More than any run takes; one that does more has somebody in it who never waits."""

_MOST_STEPS_TO_END = 100


@dataclass(frozen=True, slots=True)
class Clock:
    """What one machine takes for the time: it began at some other number, and is fast or slow."""

    begins: float = 0.0
    """What it showed when the world began."""
    rate: float = 1.0
    """How many of its seconds pass in one."""

    def shows(self, moment: float) -> float:
        """What it shows at that moment."""
        return self.begins + moment * self.rate


TRUE_CLOCK = Clock()


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

    def __init__(self, timeline: Timeline, name: str, clock: Clock) -> None:
        super().__init__()
        self.name = name
        self.clock = clock
        self.frozen = False
        self._selector = _NoFiles()
        self._timeline = timeline
        self.set_exception_handler(self._told)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.clock.shows(self._timeline.now)

    def step(self) -> None:
        """Do what there is to do at present, once around; another loop's step may be what asks for it."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            self._run_once()
        finally:
            events._set_running_loop(before)

    def _told(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback has failed, or a task that nobody waits for."""
        self._timeline.failed(self.name, context.get("exception") or AssertionError(context["message"]))

    def _process_events(self, event_list: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody waits in a selector who would have to be woken."""


class Timeline:
    """All loops, and what time it is (seconds since the world began)."""

    def __init__(self, dice: random.Random) -> None:
        self.now = 0.0
        self.steps = 0
        self.failed: Callable[[str, BaseException], None] = _fail
        """Who is told of callbacks that fail."""
        self._dice = dice
        self._loops: list[VirtualLoop] = []

    def loop(self, name: str, clock: Clock = TRUE_CLOCK) -> VirtualLoop:
        """A new loop, on a machine with this clock."""
        loop = VirtualLoop(self, name, clock)
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

    def end(self, loop: VirtualLoop) -> None:
        """Let this loop alone run, within one moment, until nothing is left of what it was doing."""
        for _ in range(_MOST_STEPS_TO_END):
            tasks = sorted(asyncio.all_tasks(loop), key=_age)
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            loop.step()
        raise AssertionError(f"{loop.name} does not end")

    def close(self) -> None:
        """The end of the world."""
        for loop in tuple(self._loops):
            self.drop(loop)

    def _step(self, until: float) -> bool:
        """One step of one loop; False when nothing is left to do before `until`."""
        soonest, now = math.inf, self.now
        first: list[VirtualLoop] = []
        for loop in self._loops:
            # This is done for each loop at each step: without calling anything.
            if loop.frozen:
                continue
            if loop._ready:
                due = now
            elif loop._scheduled:
                due = (loop._scheduled[0].when() - loop.clock.begins) / loop.clock.rate
                if due < now:  # noqa: PLR1730 - `max` is a call
                    due = now
            else:
                continue
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


def _age(task: asyncio.Task[object]) -> int:
    """What sorts tasks in the order in which they were made: `Task-7` by its number."""
    return int(task.get_name().rpartition("-")[2])


def _fail(_name: str, error: BaseException) -> NoReturn:
    raise error
