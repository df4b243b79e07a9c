"""Blocking until units are where a command wants them, with a line for each as it gets there.

Nothing is polled here: a feed of events says what changed (`fleetpy.client.feed`; with an original fleetd, which has
no events, the feed does the polling). Who waits is told why, once for each change of the reason, and not at once:
most units are placed in less time than it takes to read that they are not placed yet.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpy.client.feed import Began, EventFeed, Interrupted
from fleetpy_cli.goals import Outcome
from fleetpy_cli.legend import unit_legend
from fleetpy_cli.options import ATTEMPT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fleetpy.client.client import FleetClient
    from fleetpy.client.feed import Item
    from fleetpy.schemas.fleetpy_v1 import Event, MachineStatus, UnitStatus
    from fleetpy_cli.goals import Goal, Verdict
    from fleetpy_cli.output import Output

GAVE_UP = 124
"""The exit code for time that was up, as timeout(1) has it."""

NOTICE_AFTER = 1.0
"""Seconds after which the reasons for waiting are told; and the least time between two rounds of telling."""

NAMED = 3
"""How many of the units that wait for the same reason are named."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A unit that need not be waited for any longer, with its last known status and the address of its machine."""

    name: str
    verdict: Verdict
    unit: UnitStatus | None
    address: str = ""


class Watch:
    """What is known of the units that are waited for; fed with what a feed gives, in its order. No clock, no I/O."""

    def __init__(self, goals: Mapping[str, Goal]) -> None:
        self._goals = dict(goals)
        self._units: dict[str, UnitStatus] = {}
        self._machines: dict[str, MachineStatus] = {}
        self._synced = False
        self._told: dict[str, str] = {}

    @property
    def waiting(self) -> list[str]:
        """The units that are not there yet."""
        return list(self._goals)

    def take(self, item: Item) -> list[Arrival]:
        """Learn what happened; gives the units that are there now, or never will be."""
        if isinstance(item, Interrupted):
            return []
        if isinstance(item, Began):
            # Units that the new stream does not speak of are gone.
            self._units, self._machines, self._synced = {}, {}, False
            return []
        self._learn(item)
        if not self._synced:
            return []
        return self._judge(self.waiting if item.type == "synced" else [_unit_of(item)])

    def news(self) -> list[str]:
        """Why units wait, as sentences; only what was not told before."""
        names_by_reason: dict[str, list[str]] = defaultdict(list)
        if not self._synced:
            return []
        for name, goal in self._goals.items():
            reason = goal(self._units.get(name)).words
            if reason != self._told.get(name, ""):
                self._told[name] = reason
                if reason:
                    names_by_reason[reason].append(name)
        return [f"{_name_some(names)}: {reason}" for reason, names in names_by_reason.items()]

    def _learn(self, event: Event) -> None:
        if event.unit is not None:
            self._units[event.unit.name] = event.unit
        elif event.machine is not None:
            self._machines[event.machine.id] = event.machine
        elif event.type == "unit-gone":
            self._units.pop(event.name, None)
        elif event.type == "synced":
            self._synced = True

    def _judge(self, names: Iterable[str]) -> list[Arrival]:
        arrivals = []
        for name in names:
            goal = self._goals.get(name)
            if goal is None:
                continue
            unit = self._units.get(name)
            verdict = goal(unit)
            if verdict.outcome is not Outcome.WAITS:
                del self._goals[name]
                arrivals.append(Arrival(name, verdict, unit, self._address(unit)))
        return arrivals

    def _address(self, unit: UnitStatus | None) -> str:
        machine = self._machines.get(unit.machineID) if unit is not None else None
        return machine.primaryIP if machine is not None else ""


def _unit_of(event: Event) -> str:
    return event.unit.name if event.unit is not None else event.name


def _name_some(names: list[str]) -> str:
    if len(names) == 1:
        return f"Unit {names[0]} waits"
    rest = len(names) - NAMED
    named = ", ".join(names[:NAMED])
    return f"Units {named} and {rest} more wait" if rest > 0 else f"Units {named} wait"


@dataclass(slots=True)
class Result:
    """How the waiting ended."""

    failed: list[str] = field(default_factory=list)
    """Units that failed in systemd or were taken over by somebody else."""
    outstanding: list[str] = field(default_factory=list)
    """Units that were not there yet when the time was up."""

    @property
    def exit_code(self) -> int:
        """1 if something failed, 124 if only the time was up, 0 if all is well."""
        if self.failed:
            return 1
        return GAVE_UP if self.outstanding else 0

    def add(self, other: Result) -> None:
        """Take over what another wait ended with."""
        self.failed += other.failed
        self.outstanding += other.outstanding


class Waiter:
    """Waits with one client, and says what it sees.

    `attempts` is how many times `ATTEMPT_SECONDS` it waits at the most; 0 means for ever.
    """

    def __init__(self, client: FleetClient, output: Output, attempts: int) -> None:
        self._client = client
        self._output = output
        self._attempts = attempts
        self._interrupted = False

    def wait(
        self,
        goals: Mapping[str, Goal],
        after: int,
        *,
        doing: str,
        say: Callable[[Arrival], str] | None = None,
    ) -> Result:
        """Wait until all units are there, in a picture at least as new as the revision `after`.

        `doing` says what is going on (`starting`), `say` makes the line for a unit that is there. Raises
        `UnavailableError` when the API stays away for too long.
        """
        result = Result()
        if not goals:
            return result
        watch = Watch(goals)
        clock = _Clock(self._attempts * ATTEMPT_SECONDS if self._attempts else None)
        with (
            EventFeed(lambda: self._client.events(watch.waiting, after)) as feed,
            self._output.progress(doing, len(goals)) as show,
        ):
            while watch.waiting and not clock.is_up:
                item = feed.next(clock.patience)
                if item is not None:
                    self._tell_interruption(item)
                    for arrival in watch.take(item):
                        self._tell(arrival, say or _line, result)
                show(len(goals) - len(watch.waiting))
                if clock.is_time_for_news:
                    for sentence in watch.news():
                        self._output.note(sentence)
        result.outstanding = watch.waiting
        for name in result.outstanding:
            self._output.error(f"gave up waiting for unit {name}; what was asked of it stands (--block-attempts)")
        return result

    def _tell_interruption(self, item: Item) -> None:
        """Say that the API is away: once, however often it is tried again."""
        if isinstance(item, Interrupted) and not self._interrupted:
            self._output.note(f"{item.error}; trying again")
        self._interrupted = isinstance(item, Interrupted)

    def _tell(self, arrival: Arrival, say: Callable[[Arrival], str], result: Result) -> None:
        verdict = arrival.verdict
        if verdict.outcome is Outcome.LOST:
            self._output.error(f"unit {arrival.name} is not waited for any longer: {verdict.words}")
        else:
            self._output.line(say(arrival))
            if verdict.words:
                self._output.warn(f"Unit {arrival.name}: {verdict.words}")
        if verdict.outcome is not Outcome.DONE:
            result.failed.append(arrival.name)


def _line(arrival: Arrival) -> str:
    unit = arrival.unit
    if unit is None:
        return f"Unit {arrival.name} is gone"
    return unit_legend(unit.name, unit.currentState, unit.machineID, arrival.address)


class _Clock:
    """When to give up (after `limit` seconds; None: never), and when to tell why units wait."""

    def __init__(self, limit: float | None) -> None:
        now = time.monotonic()
        self._up_at = None if limit is None else now + limit
        self._news_at = now + NOTICE_AFTER

    @property
    def is_up(self) -> bool:
        return self._up_at is not None and time.monotonic() >= self._up_at

    @property
    def is_time_for_news(self) -> bool:
        """Whether it is; asking starts the next round."""
        now = time.monotonic()
        if now < self._news_at:
            return False
        self._news_at = now + NOTICE_AFTER
        return True

    @property
    def patience(self) -> float:
        """Seconds until the next thing that is to be done without an event."""
        next_at = self._news_at if self._up_at is None else min(self._news_at, self._up_at)
        return max(0.0, next_at - time.monotonic())
