"""What came of a run of chaos, in words and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_lab.chaos.effects import effects
from fleetpy_lab.chaos.history import STILL
from fleetpy_lab.chaos.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fleetpy_lab.chaos.effects import Effect
    from fleetpy_lab.chaos.experiment import Outcome
    from fleetpy_lab.chaos.history import History
    from fleetpy_lab.chaos.observer import Change
    from fleetpy_lab.chaos.promises import Promises
    from fleetpy_lab.chaos.violation import Violation

_AROUND = 40.0
"""Seconds of history before and after a violation that are told."""
_HEADER = ("at", "fault", "host", "lasted", "runs ended", "keep again", "stop again", "after its end", "stale gone")


def render(outcome: Outcome, violations: Sequence[Violation], promises: Promises, title: str) -> str:
    """All of it as text."""
    history = outcome.history
    found = effects(history, promises)
    parts = [_verdict(violations, outcome.left), _machine(history), _faults(found, history), _kinds(found)]
    lines = [title, *(line for part in parts for line in ("", *part))]
    for number, violation in enumerate(violations, 1):
        lines += ["", f"Violation {number}: {violation.promise}", *_story(history, violation, outcome.changes)]
    return "\n".join(lines) + "\n"


def _verdict(violations: Sequence[Violation], left: Sequence[str]) -> Iterator[str]:
    if not violations and not left:
        yield "Every promise was kept, and nothing was left behind."
        return
    yield f"{len(violations)} violations, {len(left)} things left behind or missing:"
    yield from (f"  {one.unit}: {one.what} ({one.promise})" for one in violations)
    yield from (f"  {words}" for words in left)


def _machine(history: History) -> Iterator[str]:
    most = max((late.seconds for run in history.lateness.values() for late in run), default=0.0)
    beat = history.lateness.get("machine", ())
    seconds = f"{history.ended - history.began:.0f} s"
    yield f"{len(history.hosts)} hosts: {len(history.strikes)} faults and {len(history.wishes)} wishes in {seconds}"
    yield (f"{len(history.units)} units ran {len(history.runs)} times; {len(history.takeovers)} schedulers led")
    yield (
        f"The machine itself: signs of life were late by at most {most:.2f} s; outside of the hosts by "
        f"{sum(late.seconds for late in beat):.1f} s in all, in any minute by at most {_worst_minute(history):.1f} s"
    )


def _worst_minute(history: History) -> float:
    minutes = range(int((history.ended - history.began) // 60) + 1)
    return max(history.stall(Span(history.began + 60 * one, history.began + 60 * one + 60)) for one in minutes)


def _faults(found: Sequence[Effect], history: History) -> Iterator[str]:
    yield "Each fault, in seconds: when, and how long; from its beginning until the last unit that had to ran again"
    yield "(without and with OnPartition=stop), the same from its end, and from its end until stale copies were gone."
    rows = [
        (
            f"{effect.strike.began - history.began:.1f}",
            effect.strike.fault.kind.value,
            effect.strike.host or "-",
            f"{effect.strike.ended - effect.strike.began:.1f}",
            str(effect.ended),
            *map(_figure, (effect.keep, effect.stop, effect.after, effect.stale)),
        )
        for effect in found
    ]
    yield from _table([_HEADER, *rows])


def _kinds(found: Sequence[Effect]) -> Iterator[str]:
    yield "The longest of each kind of fault"
    rows = []
    for kind in sorted({effect.strike.fault.kind for effect in found}):
        same = [effect for effect in found if effect.strike.fault.kind is kind]
        worst = [
            max((value for value in column if value is not None), default=None)
            for column in zip(*((one.keep, one.stop, one.after, one.stale) for one in same), strict=True)
        ]
        rows.append((kind.value, str(len(same)), str(sum(one.ended for one in same)), *map(_figure, worst)))
    yield from _table([("fault", "times", *_HEADER[4:]), *rows])


def _figure(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _story(history: History, violation: Violation, changes: Sequence[Change]) -> Iterator[str]:
    yield f"  {violation.at - history.began:8.2f}  {violation.unit}: {violation.what}"
    yield "  What is known of the time around it:"
    told: list[tuple[float, str]] = []
    for strike in history.strikes:
        told += [
            (strike.began, f"{strike.fault.kind} {strike.host}"),
            (strike.ended, f"end of {strike.fault.kind} {strike.host}"),
        ]
    for wish in history.wishes:
        if wish.unit == violation.unit:
            wanted = "is not to run" if wish.text is None else f"is to run with text {wish.text}"
            told += [(wish.asked, f"asked: {wanted}"), (wish.acked, f"acknowledged: {wanted}")]
    for run in history.runs_of(violation.unit):
        told += [(run.began, f"begins on {run.host}: text {run.text}, epoch {run.epoch}")]
        how = "has stopped" if run.stopped is not None else "was last heard of"
        told += [(history.end(run), f"{how} on {run.host}")] if history.end(run) < STILL else []
    told += [(moment, "a scheduler takes over") for moment in history.takeovers]
    for change in changes:
        if change.key.endswith((f"/{violation.unit}", "/leader")) or "/machines/" in change.key:
            told += [(change.at, f"registry: {change.key} {value_of(change)}")]
    for at, words in sorted(told):
        if abs(at - violation.at) < _AROUND:
            yield f"  {at - history.began:8.2f}  {words}"


def value_of(change: Change) -> str:
    """What a change made of its key."""
    return "is gone" if change.entry is None else f"at {change.entry.mod_revision}: {change.entry.value.decode()}"
