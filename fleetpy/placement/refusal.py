"""Why a machine may not have a unit, and how the refusals of many machines add up into a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLD_APART = 3
"""So many refusals of one kind are told apart; more of them are counted together."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as what is said of the machine. Equal refusals of several machines are counted together."""

    one: str
    """Of one machine: "lacks region=eu"."""
    many: str
    """Of several: "lack region=eu"."""
    kind: str
    """Of several, when there are too many different ones of this kind: "lack metadata that it asks for"."""

    def __str__(self) -> str:
        return self.one


def in_words(refusals: Mapping[Refusal, int]) -> str:
    """One sentence without a full stop for how many machines refuse and why, the commonest first.

    The first part has the word "machine" and the others do without.
    """
    kinds = Counter(refusal.kind for refusal in refusals)
    merged: Counter[str] = Counter()
    parts: list[tuple[int, str]] = []
    for refusal, count in refusals.items():
        if kinds[refusal.kind] > _TOLD_APART:
            merged[refusal.kind] += count
        else:
            parts.append((count, refusal.one if count == 1 else refusal.many))
    parts += ((count, kind) for kind, count in merged.items())
    parts.sort(key=lambda part: (-part[0], part[1]))
    return "; ".join(f"{_counted(count, first=not at)} {said}" for at, (count, said) in enumerate(parts))


def _counted(count: int, *, first: bool) -> str:
    if not first:
        return str(count)
    return "1 machine" if count == 1 else f"{count} machines"
