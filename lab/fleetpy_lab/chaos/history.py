"""What happened, as values: all that the checker knows. Times are seconds of CLOCK_BOOTTIME, the same for all hosts."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.spans import Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetpy_lab.chaos.faults import Fault, Nature
    from fleetpy_lab.chaos.load import LoadUnit

STILL = math.inf
"""When something ends that has not ended."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a unit on a host, by its own stamps."""

    host: str
    unit: str
    text: int
    """The number of the unit file's text."""
    epoch: int
    name: str
    """systemd's invocation id."""
    began: float
    last: float
    """Its last sign of life."""
    stopped: float | None = None
    """When all of its processes had ended, by its host's systemd; None where nobody said so."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that happened."""

    fault: Fault
    host: str
    began: float
    """When it was begun to bring it about."""
    struck: float
    """When it surely held."""
    ending: float
    """When it was begun to undo it."""
    ended: float
    """When it surely did not hold any more."""

    @property
    def nature(self) -> Nature:
        """What its kind is."""
        return self.fault.nature

    @property
    def span(self) -> Span:
        """When it may have held."""
        return Span(self.began, self.ended)


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wanted something of a unit: that it runs with this text, or (None) that it does not run."""

    unit: str
    text: int | None
    asked: float
    acked: float
    """When the cluster said that it knows."""


@dataclass(frozen=True, slots=True)
class Late:
    """Somebody who wanted to do something at a moment got to it that much later."""

    at: float
    seconds: float


@dataclass(frozen=True)
class History:
    """All of it. `lateness` is by who was late: each run, and a program like it outside of the hosts."""

    units: Mapping[str, LoadUnit]
    hosts: Sequence[str]
    members: Sequence[str]
    """The hosts with a member of etcd."""
    began: float
    ended: float
    runs: Sequence[Run]
    strikes: Sequence[Strike]
    """The earliest first."""
    wishes: Sequence[Wish]
    takeovers: Sequence[float] = ()
    """When a scheduler began to lead."""
    registrations: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """When each host was registered anew, having been away from the registry, in order."""
    brakes: Sequence[Span] = ()
    """While so many machines were away that the scheduler moves nothing."""
    lateness: Mapping[str, Sequence[Late]] = field(default_factory=dict)

    def runs_of(self, unit: str) -> list[Run]:
        """A unit's runs, the earliest first."""
        return [run for run in self._ordered if run.unit == unit]

    def end(self, run: Run) -> float:
        """When a run ended, as far as its stamps prove; `STILL` if it ran until the end."""
        if run.stopped is not None:
            return run.stopped
        return STILL if run.last > self.ended - _SILENCE else run.last

    def stall(self, span: Span) -> float:
        """Seconds within the span that the machine was late by: the most that anyone was."""
        return max((_sum(late, span) for late in self.lateness.values()), default=0.0)

    def late_until(self, began: float, limit: float) -> float:
        """When something that may take so long from then on is late, what the machine was late by included."""
        moment = began + limit
        return moment + self.stall(Span(began, moment))

    @cached_property
    def _ordered(self) -> list[Run]:
        return sorted(self.runs, key=lambda run: (run.began, run.host))


SIGNS = 0.5
"""Seconds: a run may have been alive for so long after its last sign of life."""
_SILENCE = 1.0
"""Seconds without a sign of life before the end that are nothing."""


def _sum(late: Sequence[Late], span: Span) -> float:
    first = bisect_left(late, span.began, key=lambda one: one.at)
    last = bisect_left(late, span.ended, key=lambda one: one.at)
    return sum(one.seconds for one in late[first:last])
