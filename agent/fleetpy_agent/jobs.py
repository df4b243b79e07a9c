"""Starting, stopping and restarting units: systemd's jobs, from asking for one to its end.

systemd adds a match rule to its bus connection for each queued job of a caller, and dbus-daemon drops it from the bus
at 512 of them. So jobs are bounded while they are under way, not only while they are asked for: 16 at once, which is
as fast as any more. A job that takes long (a oneshot that works for an hour, a stop that waits for its process) must
not hold up the others, so after a while it no longer counts against those 16, only against a far higher bound.

A job ends one way or the other: systemd says how, or it is found to be gone after the connection was, or its deadline
passes. A newer wish for a unit takes the place of an older one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from fleetpy_agent.systemd.protocol import JobID, SystemdAwayError, SystemdRefusedError, UnitStatus, Verb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from fleetpy.ids import UnitName
    from fleetpy_agent.systemd.protocol import Systemd

AT_ONCE = 16
"""Jobs under way that have not taken long yet."""

PATIENCE = 5.0
"""Seconds after which a job counts as one that takes long."""

DEADLINE = 120.0
"""Seconds after which nobody waits for a job any more; systemd goes on with it."""

MOST = 256
"""Jobs of ours in systemd's queue, those that take long included: half of dbus-daemon's bound."""

DONE = "done"
LOST = "lost"
"""The job ended while nobody could hear how."""
OVERDUE = "overdue"
WITHHELD = "withheld"
"""It was not asked for, since nothing may be started now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: systemd's own word, `lost`, `overdue`, or that it was not even queued (`withheld`, or why)."""

    verb: Verb
    result: str
    error: SystemdAwayError | SystemdRefusedError | None = None
    """Why it was not queued."""

    @property
    def code(self) -> str:
        """The D-Bus error with which it was refused; empty if it was not."""
        return self.error.code if isinstance(self.error, SystemdRefusedError) else ""


class JobsListener(Protocol):
    """Who is told of jobs' fates; called in the event loop."""

    def job_queued(self, name: UnitName, verb: Verb) -> None:
        """The job is in systemd's queue: it will be carried out, whatever becomes of us."""
        ...

    def job_ended(self, name: UnitName, outcome: Outcome) -> None:
        """The job is over, or was not taken. Not told of one that a newer wish has replaced."""
        ...


@dataclass(slots=True, eq=False)
class _Job:
    verb: Verb
    began: float
    """Seconds of the loop's clock."""
    task: asyncio.Task[None] | None = None
    waits: bool = True


@dataclass(slots=True, eq=False)
class _Queued:
    """A job in systemd's queue."""

    name: UnitName
    number: int
    ended: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Jobs:
    """The jobs that the agent has asked for, one a unit at the most."""

    def __init__(
        self,
        systemd: Systemd,
        listener: JobsListener,
        catch_up: Callable[[UnitName], Awaitable[None]],
        may_start: Callable[[], bool],
    ) -> None:
        """`catch_up` is waited for when a job has ended, so that what it did to its unit is known by then.

        `may_start` is asked in the last moment before systemd is: starts and restarts are withheld if it says no.
        """
        self._systemd = systemd
        self._listener = listener
        self._catch_up = catch_up
        self._may_start = may_start
        self._jobs: dict[UnitName, _Job] = {}
        self._queued: dict[JobID, _Queued] = {}
        self._early: dict[JobID, str] = {}
        self._asking = 0
        self._asked = 0
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._group: asyncio.TaskGroup | None = None
        self._progress = asyncio.Event()
        systemd.signals.job_removed.append(self._removed)

    @property
    def under_way(self) -> Mapping[UnitName, Verb]:
        """The units that a job is under way for, or waits to be."""
        return {name: job.verb for name, job in self._jobs.items()}

    @property
    def next(self) -> frozenset[UnitName]:
        """The units whose job waits for others to end, and has not done so for long."""
        long_ago = asyncio.get_running_loop().time() - PATIENCE
        return frozenset(name for name, job in self._jobs.items() if job.waits and job.began > long_ago)

    @property
    def queued(self) -> frozenset[UnitName]:
        """The units that systemd has a job of ours for, as far as we know: what `compare` needs the statuses of."""
        return frozenset(queued.name for queued in self._queued.values())

    @property
    def asked(self) -> int:
        """How many jobs systemd has taken so far; what `compare` needs to know of the moment of a reading."""
        return self._asked

    async def run(self) -> NoReturn:
        """Carry jobs out until cancelled; those that systemd has taken go on without us."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()
        raise AssertionError("waiting for ever has ended")

    def submit(self, verb: Verb, name: UnitName) -> None:
        """Ask for a job, in the place of whatever is under way for the unit; the same wish twice is one."""
        before = self._jobs.get(name)
        if before is not None:
            if before.verb is verb:
                return
            if before.task is not None:
                before.task.cancel()
        if self._group is None:
            raise RuntimeError("jobs are submitted while `run` runs")
        job = self._jobs[name] = _Job(verb, asyncio.get_running_loop().time())
        job.task = self._group.create_task(self._carry_out(name, job))

    async def settle(self, names: Collection[UnitName], quiet: float, longest: float) -> None:
        """Wait until no job is under way for these units, none has ended for `quiet` seconds, or `longest` passed."""
        left = sum(name in self._jobs for name in names)
        try:
            async with asyncio.timeout(longest):
                while left:
                    async with asyncio.timeout(quiet):
                        while sum(name in self._jobs for name in names) == left:
                            self._progress.clear()
                            await self._progress.wait()
                    left = sum(name in self._jobs for name in names)
        except TimeoutError:
            return

    def compare(self, statuses: Mapping[UnitName, UnitStatus], asked: int) -> None:
        """End the jobs that a reading of systemd no longer shows, whose end was not heard of.

        `asked` is what the property of that name was before the reading.
        """
        for number, queued in tuple(self._queued.items()):
            status = statuses.get(queued.name)
            if status is not None and status.job != number and queued.number <= asked:
                self._removed(number, LOST)

    def _removed(self, job: JobID, result: str) -> None:
        """A job has ended. It may do so before the answer that names it has reached us."""
        queued = self._queued.pop(job, None)
        if queued is None:
            if self._asking:
                self._early[job] = result
        elif not queued.ended.done():
            queued.ended.set_result(result)
        self._progress.set()

    async def _carry_out(self, name: UnitName, job: _Job) -> None:
        try:
            outcome = Outcome(job.verb, await self._queue_and_wait(name, job))
            await self._catch_up(name)
        except (SystemdAwayError, SystemdRefusedError) as error:
            outcome = Outcome(job.verb, "refused" if isinstance(error, SystemdRefusedError) else "away", error)
        if self._jobs.get(name) is job:
            del self._jobs[name]
            self._progress.set()
            self._listener.job_ended(name, outcome)

    async def _queue_and_wait(self, name: UnitName, job: _Job) -> str:
        """The job's result; raises what `Systemd.enqueue` raises."""
        loop = asyncio.get_running_loop()
        await self._take_slot(job.verb)
        job.waits = False
        try:
            if job.verb is not Verb.STOP and not self._may_start():
                return WITHHELD
            ended = await self._queue(name, job.verb)
            deadline = loop.time() + DEADLINE
            await asyncio.wait([ended], timeout=PATIENCE)
        finally:
            self._slots.release()
        await asyncio.wait([ended], timeout=deadline - loop.time())
        return ended.result() if ended.done() else OVERDUE

    async def _take_slot(self, verb: Verb) -> None:
        """Wait for a turn; a stop does not wait for others that take long, since it may be what ends them."""
        while True:
            while verb is not Verb.STOP and len(self._queued) >= MOST:
                self._progress.clear()
                await self._progress.wait()
            await self._slots.acquire()
            if verb is Verb.STOP or len(self._queued) < MOST:
                return
            self._slots.release()

    async def _queue(self, name: UnitName, verb: Verb) -> asyncio.Future[str]:
        """Have systemd take the job; what is returned becomes the job's result."""
        self._asking += 1
        try:
            number = await self._systemd.enqueue(verb, name)
            early = self._early.pop(number, None)
        finally:
            self._asking -= 1
            if not self._asking:
                self._early.clear()
        self._asked += 1
        # systemd may answer with a job that it had queued already: one that does the same.
        queued = self._queued.get(number) or _Queued(name, self._asked)
        if early is None:
            self._queued[number] = queued
        elif not queued.ended.done():
            queued.ended.set_result(early)
        self._listener.job_queued(name, verb)
        return queued.ended
