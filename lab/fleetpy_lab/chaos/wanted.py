"""When a unit was wanted: as far as that is certain, since a wish takes effect somewhere between asking and hearing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_lab.chaos.copies import losses_of
from fleetpy_lab.chaos.spans import Span, without
from fleetpy_lab.chaos.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy_lab.chaos.history import History, Run
    from fleetpy_lab.chaos.promises import Promises


def surely_wanted(history: History, unit: str) -> list[Span]:
    """When it was surely wanted to run, with whatever text."""
    return [span for span, text in _certain(history, unit) if text is not None]


def surely_unwanted(history: History, unit: str, text: int) -> list[Span]:
    """When it was surely not wanted to run with that text."""
    return [span for span, wanted in _certain(history, unit) if wanted != text]


def what_is_not_wanted_does_not_run(history: History, promises: Promises) -> Iterator[Violation]:
    """What was stopped or destroyed, and a text that was replaced, runs nowhere, once its machine could hear of it."""
    for name in history.units:
        for run in history.runs_of(name):
            for span in surely_unwanted(history, name, run.text):
                ran = span.common(Span(run.began, min(history.end(run), history.ended)))
                for piece in without([ran], _unheard(history, run, span.began, promises)):
                    words = f"text {run.text} ran on {run.host} for {piece.seconds:.2f} s, though it was not wanted"
                    yield Violation("what is not wanted does not run", name, piece.began, words)


def _unheard(history: History, run: Run, asked: float, promises: Promises) -> list[Span]:
    deaf = [strike.span for strike in history.strikes if strike.nature.halts or strike in losses_of(history, run.host)]
    deaf += [*(Span(moment, moment) for moment in history.takeovers), Span(asked, asked)]
    return [Span(span.began, history.late_until(span.ended, promises.recovery)) for span in deaf]


def _certain(history: History, unit: str) -> Iterator[tuple[Span, int | None]]:
    wishes = sorted((wish for wish in history.wishes if wish.unit == unit), key=lambda wish: wish.asked)
    text: int | None = None
    since = history.began
    for wish in wishes:
        yield Span(since, min(wish.asked, history.ended)), text
        text, since = wish.text, wish.acked
    yield Span(since, history.ended), text
