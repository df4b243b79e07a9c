"""Why a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.copies import losses_of
from fleetpy_lab.chaos.faults import FaultKind
from fleetpy_lab.chaos.history import SIGNS
from fleetpy_lab.chaos.spans import Span
from fleetpy_lab.chaos.violation import Violation
from fleetpy_lab.chaos.wanted import surely_wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy_lab.chaos.history import History, Run, Strike
    from fleetpy_lab.chaos.promises import Promises


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run ended, in words; and the fault, if it was one."""

    words: str
    strike: Strike | None = None


def nothing_ends_without_a_cause(history: History, promises: Promises) -> Iterator[Violation]:
    """Neither the loss of etcd nor the end of an agent or a scheduler stops or restarts a unit; nor does anything else.

    A run ends when its host dies, when somebody wishes so, when it has been started elsewhere while its host was
    lost, and, with `OnPartition=stop`, when its host has lost etcd or was frozen itself.
    """
    for name in history.units:
        for run in history.runs_of(name):
            end = history.end(run)
            if end < history.ended and why_ended(history, run, promises) is None:
                words = f"ended on {run.host} after {end - run.began:.1f} s, for no reason"
                if run.stopped is None:
                    words += ", and nobody noticed: there is no stamp of its end"
                yield Violation("nothing ends without a cause", name, end, words)


def why_ended(history: History, run: Run, promises: Promises) -> Cause | None:
    """Why that run ended; None if there is no reason."""
    for rule in (_went_down, _was_wished, _was_lost, _was_frozen, _lost_etcd, _followed):
        cause = rule(history, run, promises)
        if cause is not None:
            return cause
    return None


def _went_down(history: History, run: Run, promises: Promises) -> Cause | None:
    """The host's death took it along: it was alive until then."""
    del promises
    end = history.end(run)
    for strike in losses_of(history, run.host):
        since = strike.began - SIGNS
        since -= history.stall(Span(since, strike.began))
        if strike.nature.kills and since <= end <= strike.ended:
            return Cause(f"{run.host} went down", strike)
    return None


def _was_wished(history: History, run: Run, promises: Promises) -> Cause | None:
    """It may not have been wanted when it ended, or its host may just have heard that it was not before."""
    end = history.end(run)
    wished = any(
        wish.unit == run.unit and wish.asked <= end <= history.late_until(wish.acked, promises.recovery)
        for wish in history.wishes
        if wish.asked >= run.began
    )
    wanted = any(span.holds(end) for span in surely_wanted(history, run.unit))
    return Cause("somebody wished so") if wished or not wanted else None


def _was_lost(history: History, run: Run, promises: Promises) -> Cause | None:
    """The cluster had lost the host, and given the unit to another; or the host itself has stopped it."""
    end = history.end(run)
    unit = history.units[run.unit]
    for strike in reversed(losses_of(history, run.host)):
        lost = strike.began + promises.surely_held - history.stall(strike.span)
        moved = any(other.host != run.host and strike.began < other.began <= end for other in history.runs_of(run.unit))
        if run.began < strike.ended and lost <= min(end, strike.ended) and (moved or unit.stops or unit.changing):
            return Cause(f"{run.host} was lost", strike)
    return None


def _was_frozen(history: History, run: Run, promises: Promises) -> Cause | None:
    """The host was frozen for so long that its lease may have run out, by its own clock."""
    end = history.end(run)
    if not history.units[run.unit].stops:
        return None
    for strike in losses_of(history, run.host):
        lost = strike.began + promises.surely_held - history.stall(strike.span)
        if strike.fault.kind is not FaultKind.HOST_PAUSED or strike.ended < lost:
            continue
        if run.began < strike.ended and strike.began <= end <= history.late_until(strike.ended, promises.thaw):
            return Cause(f"{run.host} was frozen", strike)
    return None


def _lost_etcd(history: History, run: Run, promises: Promises) -> Cause | None:
    """Nobody could renew a lease for so long that the host had to stop it."""
    end = history.end(run)
    if not history.units[run.unit].stops:
        return None
    for strike in reversed(history.strikes):
        lost = strike.began + promises.surely_held - history.stall(strike.span)
        if strike.nature.silences and lost <= end <= history.late_until(strike.ended, promises.recovery):
            return Cause("etcd was away", strike)
    return None


def _followed(history: History, run: Run, promises: Promises) -> Cause | None:
    """What it follows was changed, and may have moved; or it has moved while the host was lost.

    A host that is back starts what is placed there, also a follower that nobody has taken away yet.
    """
    end = history.end(run)
    leader = history.units[run.unit].leader
    changed = any(
        wish.asked <= end <= history.late_until(wish.acked, promises.recovery)
        for wish in history.wishes
        if wish.unit == leader
    )
    if changed:
        return Cause(f"{leader} was changed")
    for strike in reversed(losses_of(history, run.host)):
        lost = strike.began + promises.surely_held - history.stall(strike.span)
        since = [other.host for other in history.runs_of(leader) if strike.began < other.began <= end]
        if (
            since
            and since[-1] != run.host
            and lost <= strike.ended <= end <= history.late_until(strike.ended, promises.recovery)
        ):
            return Cause(f"{leader} has moved from {run.host}", strike)
    return None
