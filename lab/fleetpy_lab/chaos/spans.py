"""Stretches of time, in seconds of one clock, and what sets of them are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From when to when; empty if it ends before it begins."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(0.0, self.ended - self.began)

    def holds(self, moment: float) -> bool:
        """Whether the moment lies in it."""
        return self.began <= moment <= self.ended

    def common(self, other: Span) -> Span:
        """What both have."""
        return Span(max(self.began, other.began), min(self.ended, other.ended))


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same moments in as few spans as can be, in order; without the empty ones."""
    found: list[Span] = []
    for span in sorted(spans):
        if span.seconds <= 0:
            continue
        if found and span.began <= found[-1].ended:
            found[-1] = Span(found[-1].began, max(found[-1].ended, span.ended))
        else:
            found.append(span)
    return found


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of spans when others are taken away, in order."""
    left: list[Span] = []
    away: Sequence[Span] = merged(taken)
    for span in merged(spans):
        began = span.began
        for hole in away:
            if hole.ended <= began or hole.began >= span.ended:
                continue
            left.append(Span(began, hole.began))
            began = hole.ended
        left.append(Span(began, span.ended))
    return [span for span in left if span.seconds > 0]
