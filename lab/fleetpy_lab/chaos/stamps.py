"""Reading what the units wrote down (stamp.sh)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.history import Late, Run
from fleetpy_lab.chaos.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PERIOD = 0.2
"""Seconds between two signs of life."""
NOTICED = 0.1
"""Seconds of lateness that are not worth counting."""


def read_runs(host: str, lines: Iterable[str]) -> list[Run]:
    """The runs on a host, in the order in which they began. A line that the host's death cut short is left out."""
    began: dict[str, tuple[float, str, int, int]] = {}
    last: dict[str, float] = {}
    stopped: dict[str, float] = {}
    for line in lines:
        match line.split():
            case [moment, "started", name, unit, text, epoch]:
                began[name] = (float(moment), unit, int(text), int(epoch))
                last[name] = float(moment)
            case [moment, "alive" | "ending", name]:
                last[name] = float(moment)
            case [moment, "stopped", name]:
                stopped[name] = float(moment)
    return [
        Run(host, unit, text, epoch, name, moment, last[name], stopped.get(name))
        for name, (moment, unit, text, epoch) in began.items()
    ]


def read_lateness(lines: Iterable[str], frozen: Sequence[Span]) -> dict[str, list[Late]]:
    """How late the signs of life of each run were, apart from what happened while the host was frozen on purpose."""
    before: dict[str, float] = {}
    late: dict[str, list[Late]] = defaultdict(list)
    for line in lines:
        match line.split():
            case [moment, "started" | "alive", name, *_]:
                now = float(moment)
                due = before.get(name, now) + PERIOD
                before[name] = now
                if now - due > NOTICED and not any(span.common(Span(due, now)).seconds for span in frozen):
                    late[name].append(Late(due, now - due))
    return dict(late)
