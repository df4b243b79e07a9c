"""What came of a run of chaos, in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.history import STILL
from fleetpy_lab.chaos.recovery import gaps, may_be_held
from fleetpy_lab.chaos.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fleetpy_lab.chaos.history import History, Strike
    from fleetpy_lab.chaos.observer import Change
    from fleetpy_lab.chaos.violation import Violation

_AROUND = 40.0
"""Seconds of history before and after a violation that are told."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault did to the units that nobody changed meanwhile; seconds, None where nothing was away."""

    strike: Strike
    ended: int
    """Runs that ended before the next fault."""
    keep: float | None
    """From its beginning until the last of them ran again where the cluster has it."""
    stop: float | None
    """Likewise, of those with `OnPartition=stop` and those that follow such a unit."""
    after: float | None
    """From its end until the last of all ran again."""
    stale: float | None
    """From its end until the last copy was gone that ran beside another."""


def effects(history: History) -> list[Effect]:
    """Of each fault, in order."""
    ends = [*(strike.began for strike in history.strikes[1:]), history.ended]
    return [_effect(history, strike, end) for strike, end in zip(history.strikes, ends, strict=True)]


def _effect(history: History, strike: Strike, end: float) -> Effect:
    fixed = [unit for unit in history.units.values() if not unit.changing]
    recovered = {
        unit.name: gap.ended
        for unit in fixed
        for _, gap in gaps(history, unit)
        if strike.began - 1.0 <= gap.began <= end
    }
    held = {unit.name for unit in fixed if may_be_held(history, unit)}
    runs = [run for unit in fixed for run in history.runs_of(unit.name)]
    stale = [
        history.end(run)
        for run in runs
        if run.host == strike.host
        and run.began < strike.began
        and strike.ended < history.end(run) < end
        and any(other.began < history.end(run) for other in runs if other.unit == run.unit and other.began > run.began)
    ]
    last = max(recovered.values(), default=None)
    return Effect(
        strike,
        ended=sum(strike.began - 1.0 <= history.end(run) <= end for run in runs),
        keep=_since(strike.began, [at for name, at in recovered.items() if name not in held]),
        stop=_since(strike.began, [at for name, at in recovered.items() if name in held]),
        after=None if last is None or last < strike.ended else last - strike.ended,
        stale=_since(strike.ended, stale),
    )


def _since(moment: float, moments: Iterable[float]) -> float | None:
    last = max(moments, default=None)
    return None if last is None else last - moment


def render(
    history: History, violations: Sequence[Violation], left: Sequence[str], changes: Sequence[Change], title: str
) -> str:
    """All of it as text."""
    lines = [
        title,
        "",
        *_verdict(violations, left),
        "",
        *_machine(history),
        "",
        *_faults(history),
        "",
        *_kinds(history),
    ]
    for number, violation in enumerate(violations, 1):
        lines += ["", f"Violation {number}: {violation.promise}", *_story(history, violation, changes)]
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


_HEADER = ("at", "fault", "host", "lasted", "runs ended", "keep again", "stop again", "after its end", "stale gone")


def _faults(history: History) -> Iterator[str]:
    yield "Each fault. Seconds: when, how long; from its beginning until every unit ran again where the cluster has it"
    yield "(keep; OnPartition=stop), from its end until every unit did, and until stale copies were gone."
    rows = [
        (
            f"{effect.strike.began - history.began:.1f}",
            effect.strike.fault.kind.value,
            effect.strike.host or "-",
            f"{effect.strike.ended - effect.strike.began:.1f}",
            str(effect.ended),
            *map(_figure, (effect.keep, effect.stop, effect.after, effect.stale)),
        )
        for effect in effects(history)
    ]
    yield from _table([_HEADER, *rows])


def _kinds(history: History) -> Iterator[str]:
    yield "The longest of each kind of fault"
    found = effects(history)
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
