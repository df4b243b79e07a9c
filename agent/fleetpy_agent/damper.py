"""How often the state of one unit is published: a unit that starts and dies for ever must not keep etcd busy.

Each unit may change a few times in a row, as a start or a restart does, and then once in a while. Only systemd's own
words are held back, never what the agent did: who waits for that waits for it to be said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.model.records import StateRecord

IN_A_ROW = 10.0
"""Changes that are published at once."""

APART = 2.0
"""Seconds between those that follow."""


class Damper:
    """Remembers the last changes of each key; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deeds: dict[str, tuple[object, ...]] = {}
        self._spent: dict[str, tuple[float, float]] = {}

    def may_pass(self, key: str, state: StateRecord) -> bool:
        """Whether the state may be published now."""
        return self._deeds.get(key) != _deeds(state) or self._left(key) >= 1.0

    def passed(self, key: str, state: StateRecord) -> None:
        """It was published."""
        self._spent[key] = (self._clock(), max(0.0, self._left(key) - 1.0))
        self._deeds[key] = _deeds(state)

    def forget(self, key: str) -> None:
        """There is no such state any more."""
        self._spent.pop(key, None)
        self._deeds.pop(key, None)

    def _left(self, key: str) -> float:
        """How many changes may pass now."""
        at, left = self._spent.get(key, (0.0, IN_A_ROW))
        return min(IN_A_ROW, left + (self._clock() - at) / APART)


def _deeds(state: StateRecord) -> tuple[object, ...]:
    """What the agent did, or will not do."""
    return (state.uid, state.epoch, state.hash, state.goal, state.restarted, state.refused, state.problem)
