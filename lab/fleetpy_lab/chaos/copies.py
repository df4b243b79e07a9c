"""What ran at once: copies of a unit, and units that conflict."""

from __future__ import annotations

from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING

from fleetpy.unit.glob import matches
from fleetpy_lab.chaos.faults import FaultKind
from fleetpy_lab.chaos.spans import Span, without
from fleetpy_lab.chaos.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy_lab.chaos.history import History, Run, Strike
    from fleetpy_lab.chaos.promises import Promises


def never_twice(history: History, promises: Promises) -> Iterator[Violation]:
    """A unit with `OnPartition=stop` never runs twice, but for `thaw` seconds after a frozen host was thawed."""
    for unit in history.units.values():
        if not unit.stops or unit.is_global:
            continue
        for first, second in combinations(history.runs_of(unit.name), 2):
            frozen = [
                Span(strike.began, history.late_until(strike.ended, promises.thaw))
                for run in (first, second)
                for strike in history.strikes
                if strike.host == run.host and strike.fault.kind is FaultKind.HOST_PAUSED
            ]
            for both in without([_both(history, first, second)], frozen):
                words = f"ran on {first.host} and on {second.host} at once for {both.seconds:.2f} s"
                yield Violation("never twice", unit.name, both.began, words)


def stale_copies_go(history: History, promises: Promises) -> Iterator[Violation]:
    """A unit runs twice only while the machine of the older copy is lost: until it is registered again at the latest.

    That is within TTL + 3 s of the end of the fault.
    """
    for unit in history.units.values():
        if unit.stops or unit.is_global:
            continue
        for first, second in combinations(history.runs_of(unit.name), 2):
            lost = [
                Span(strike.began, _back(history, strike, history.late_until(strike.ended, promises.recovery)))
                for strike in losses_of(history, first.host)
            ]
            for both in without([_both(history, first, second)], lost):
                words = f"ran on {first.host} and on {second.host} for {both.seconds:.2f} s, neither of them lost"
                yield Violation("twice while it is not noticed", unit.name, both.began, words)


def _back(history: History, strike: Strike, latest: float) -> float:
    """When the strike's host was registered again; `latest` if that was later, or need not be."""
    again = (moment for moment in history.registrations.get(strike.host, ()) if moment >= strike.ending)
    return min(next(again, latest), latest)


def conflicting_units_stay_apart(history: History, promises: Promises) -> Iterator[Violation]:
    """Units of which one has `Conflicts=` for the other never run on one host at the same time."""
    del promises
    for one, other in combinations(history.units.values(), 2):
        if not (matches(one.conflicts, other.name) or matches(other.conflicts, one.name)):
            continue
        for first, second in product(history.runs_of(one.name), history.runs_of(other.name)):
            both = _both(history, first, second)
            if first.host == second.host and both.seconds > 0:
                words = f"ran beside {other.name} on {first.host} for {both.seconds:.2f} s"
                yield Violation("conflicting units stay apart", one.name, both.began, words)


def the_brake_holds(history: History, promises: Promises) -> Iterator[Violation]:
    """While most hosts are cut off, nothing that ran on them begins elsewhere."""
    del promises
    for strike in history.strikes:
        if strike.fault.kind is not FaultKind.MOST_CUT_OFF:
            continue
        for unit in history.units.values():
            runs = history.runs_of(unit.name)
            there = any(
                run.host == strike.host and run.began < strike.began < history.end(run) and not unit.is_global
                for run in runs
            )
            for run in runs:
                if there and not unit.changing and run.host != strike.host and strike.span.holds(run.began):
                    words = f"moved from {strike.host} to {run.host}, though most hosts were away"
                    yield Violation("the brake holds", unit.name, run.began, words)


def epochs_grow(history: History, promises: Promises) -> Iterator[Violation]:
    """`FLEET_EPOCH` grows with each placement, so that a storage can refuse what is stale."""
    del promises
    for unit in history.units.values():
        if unit.is_global:
            continue
        for earlier, later in pairwise(history.runs_of(unit.name)):
            if later.epoch < earlier.epoch or (later.epoch == earlier.epoch and later.host != earlier.host):
                words = f"epoch {later.epoch} on {later.host} after {earlier.epoch} on {earlier.host}"
                yield Violation("epochs grow", unit.name, later.began, words)


def losses_of(history: History, host: str) -> list[Strike]:
    """The faults for which the cluster may have lost that host."""
    return [strike for strike in history.strikes if strike.host == host and strike.nature.loses]


def _both(history: History, first: Run, second: Run) -> Span:
    return Span(first.began, history.end(first)).common(Span(second.began, history.end(second)))
