"""Why a run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_lab.chaos.copies import losses_of
from fleetpy_lab.chaos.history import SIGNS
from fleetpy_lab.chaos.spans import Span
from fleetpy_lab.chaos.violation import Violation
from fleetpy_lab.chaos.wanted import surely_wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy_lab.chaos.history import History, Run
    from fleetpy_lab.chaos.promises import Promises


def nothing_ends_without_a_cause(history: History, promises: Promises) -> Iterator[Violation]:
    """Neither the loss of etcd nor the end of an agent or a scheduler stops or restarts a unit; nor does anything else.

    A run ends when its host dies, when somebody wishes so, when it has been started elsewhere while its host was
    lost, and, with `OnPartition=stop`, when its host has lost etcd.
    """
    for name in history.units:
        for run in history.runs_of(name):
            end = history.end(run)
            if end < history.ended and why_ended(history, run, promises) is None:
                words = f"ended on {run.host} after {end - run.began:.1f} s, for no reason"
                if run.stopped is None:
                    words += ", and nobody noticed: there is no stamp of its end"
                yield Violation("nothing ends without a cause", name, end, words)


def why_ended(history: History, run: Run, promises: Promises) -> str | None:
    """In words why that run ended; None if there is no reason."""
    end = history.end(run)
    if any(_killed(history, strike.span, run) for strike in losses_of(history, run.host) if strike.nature.kills):
        return f"{run.host} went down"
    if not any(span.holds(end) for span in surely_wanted(history, run.unit)) or _replaced(history, run, end):
        return "somebody wished so"
    for strike in losses_of(history, run.host):
        late = strike.began + promises.surely_held - history.stall(strike.span)
        if (
            late <= end
            and strike.ended >= late
            and run.began < strike.ended
            and _may_have_moved(history, run, strike.began)
        ):
            return f"{run.host} was lost ({strike.fault.kind})"
    if history.units[run.unit].stops and any(
        strike.nature.halts
        and strike.began + promises.surely_held - history.stall(strike.span)
        <= end
        <= history.late_until(strike.ended, promises.recovery)
        for strike in history.strikes
    ):
        return "etcd was away"
    leader = history.units[run.unit].leader
    if leader and any(
        wish.asked <= end <= history.late_until(wish.acked, promises.recovery)
        for wish in history.wishes
        if wish.unit == leader
    ):
        return f"{leader} was changed"
    return None


def _killed(history: History, down: Span, run: Run) -> bool:
    """Whether the host's death took the run along: it was alive until then, and not any more afterwards."""
    end = history.end(run)
    alive = run.stopped is not None or end >= down.began - SIGNS - history.stall(Span(down.began - SIGNS, down.began))
    return run.began < down.ended and alive and down.began - SIGNS <= max(end, down.began) <= down.ended


def _replaced(history: History, run: Run, end: float) -> bool:
    """Whether another text than the run's was wanted before it ended."""
    return any(
        wish.asked <= end and wish.asked >= run.began and wish.text != run.text
        for wish in history.wishes
        if wish.unit == run.unit
    )


def _may_have_moved(history: History, run: Run, since: float) -> bool:
    """Whether the host itself stops it, or it has begun elsewhere since that moment and before it ended here."""
    if history.units[run.unit].stops:
        return True
    return any(
        other.host != run.host and since < other.began <= history.end(run) + 1e-9 for other in history.runs_of(run.unit)
    )
