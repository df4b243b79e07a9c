"""How long what should have run did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_lab.chaos.copies import losses_of
from fleetpy_lab.chaos.history import SIGNS
from fleetpy_lab.chaos.spans import Span, without
from fleetpy_lab.chaos.violation import Violation
from fleetpy_lab.chaos.wanted import surely_wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy_lab.chaos.history import History
    from fleetpy_lab.chaos.load import LoadUnit
    from fleetpy_lab.chaos.promises import Promises


def what_can_run_runs(history: History, promises: Promises) -> Iterator[Violation]:
    """Everything runs that can, within TTL + 3 s of a wish, and of a fault's beginning and end.

    Such a fault has taken away the host where the unit ran or is to run, or, soon after such a one, a member of etcd,
    whose going and coming may have etcd choose a leader anew, which lets every lease begin anew.
    It takes as much longer as a unit with `OnPartition=stop` may take to stop elsewhere. Nothing is expected while
    etcd takes no writes, or so many machines are away that none is given up; and a scheduler that takes over gives a
    machine that it finds missing a TTL more.
    """
    for unit in history.units.values():
        for host, gap in gaps(history, unit):
            for piece in without([gap], _excuses(history, unit, host, gap, promises)):
                if piece.seconds < _SHORTEST:
                    continue
                place = f" on {host}" if host else ""
                late = f"{gap.seconds:.1f} s, {piece.seconds:.1f} s longer than it may"
                yield Violation("what can run runs", unit.name, piece.began, f"ran nowhere{place} for {late}")


def gaps(history: History, unit: LoadUnit) -> Iterator[tuple[str, Span]]:
    """When it was wanted and ran on no host that the cluster had: of a global unit on which host, and how long."""
    wanted = surely_wanted(history, unit.name)
    if not unit.is_global:
        ran = [span for host in history.hosts for span in _ran(history, unit, host)]
        yield from (("", gap) for gap in without(wanted, ran))
        return
    for host in history.hosts:
        lost = [strike.span for strike in losses_of(history, host)]
        yield from ((host, gap) for gap in without(without(wanted, lost), _ran(history, unit, host)))


_SHORTEST = 0.02
"""Seconds: stamps are as exact as that."""


def _ran(history: History, unit: LoadUnit, host: str) -> list[Span]:
    runs = [
        Span(run.began, min(history.end(run), history.ended)) for run in history.runs_of(unit.name) if run.host == host
    ]
    return without(runs, [strike.span for strike in losses_of(history, host)])


def _excuses(history: History, unit: LoadUnit, host: str, gap: Span, promises: Promises) -> Iterator[Span]:
    limit = promises.recovery + (promises.lease + promises.stop_bound if may_be_held(history, unit) else 0.0)
    places = {host} if host else places_around(history, unit, gap)
    losses = [strike for strike in history.strikes if strike.nature.loses]
    lost = [
        Span(strike.began - SIGNS, history.late_until(strike.struck, limit))
        for strike in losses
        if strike.host in places
    ]
    yield from lost
    for strike in history.strikes:
        if strike.nature.halts:
            yield Span(strike.began - SIGNS, history.late_until(strike.ended, limit))
        elif strike.nature.loses and strike.host in places:
            yield Span(strike.ending, history.late_until(strike.ended, limit))
        elif strike.nature.weakens and strike.host in history.members:
            changes = ((strike.began, strike.struck), (strike.ending, strike.ended))
            yield from (
                Span(begun, history.late_until(done, limit))
                for begun, done in changes
                if any(span.holds(begun) for span in lost)
            )
    for moment in history.takeovers:
        if any(
            Span(strike.began, history.late_until(strike.ended, promises.recovery)).holds(moment) for strike in losses
        ):
            yield Span(moment, history.late_until(moment, limit))
    for brake in history.brakes:
        yield Span(brake.began, history.late_until(brake.ended, limit))
    family = {unit.name, *_leaders(history, unit)}
    for wish in history.wishes:
        if wish.unit in family:
            yield Span(wish.asked, history.late_until(wish.acked, limit))


def places_around(history: History, unit: LoadUnit, gap: Span) -> set[str]:
    """The hosts on which it had run before the gap, and the one on which it ran afterwards."""
    runs = history.runs_of(unit.name)
    before = [run.host for run in runs if run.began < gap.ended]
    after = [run.host for run in runs if run.began >= gap.ended - _SHORTEST]
    return {*before[-2:], *after[:1]}


def may_be_held(history: History, unit: LoadUnit) -> bool:
    """Whether it may have to wait until a lost machine must have stopped it, or one that it follows.

    One that is destroyed and handed in again may, whatever it is: nobody remembers what the lost machine has of it.
    """
    family = [unit, *(history.units[name] for name in _leaders(history, unit))]
    return any(one.stops or one.changing for one in family)


def _leaders(history: History, unit: LoadUnit) -> list[str]:
    found: list[str] = []
    while unit.leader and unit.leader not in found:
        found.append(unit.leader)
        unit = history.units[unit.leader]
    return found
