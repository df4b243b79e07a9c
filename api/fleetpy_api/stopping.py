"""Units that were asked to stop a moment ago still show as launched in the original's API.

The original's `fleetctl restart` sets a unit to `loaded`, waits until it sees it `launched`, and sets it to `launched`
again (`fleetctl/restart.go`). It looks a quarter of a second after the first step, and the original's agents began to
stop a unit only a second after they heard of it, so it always saw what it waited for. Our agents have stopped it by
then, and it would wait for ever: so for that one second the unit is shown as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.ids import UnitName

LAG = 1.0
"""Seconds that a unit which was asked to stop is shown as launched."""


class Stopping:
    """The units; `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: dict[UnitName, float] = {}

    def note(self, name: UnitName) -> None:
        """A launched unit was asked to stop just now."""
        now = self._clock()
        self._asked = {other: at for other, at in self._asked.items() if now - at < LAG}
        self._asked[name] = now

    def has(self, name: UnitName) -> bool:
        """Whether it was so a moment ago."""
        return self._clock() - self._asked.get(name, float("-inf")) < LAG
