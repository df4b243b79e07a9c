"""When to do what while waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

ATTEMPT_SECONDS = 2.0
"""How long one of `--block-attempts` lasts, as in the original."""

NOTICE_AFTER = 1.0
"""Seconds after which the reasons for waiting are told; and the least time between two rounds of telling."""

SETTLE_AFTER = 2.0
"""Seconds that a unit may settle, as long as the original waited for a unit to become active."""


class Clock:
    """When to give up (after so many attempts; 0: never), when to tell why units wait, when units have settled."""

    def __init__(self, attempts: int) -> None:
        now = time.monotonic()
        self._up_at = now + attempts * ATTEMPT_SECONDS if attempts else None
        self._news_at = now + NOTICE_AFTER
        self._settled_at: dict[str, float] = {}

    def settled(self, settling: Collection[str]) -> list[str]:
        """Which of the units that settle have done so for long enough."""
        now = time.monotonic()
        self._settled_at = {name: self._settled_at.get(name, now + SETTLE_AFTER) for name in settling}
        return [name for name, at in self._settled_at.items() if now >= at]

    @property
    def is_up(self) -> bool:
        """Whether it is time to give up."""
        return self._up_at is not None and time.monotonic() >= self._up_at

    @property
    def is_time_for_news(self) -> bool:
        """Whether it is; asking starts the next round."""
        now = time.monotonic()
        if now < self._news_at:
            return False
        self._news_at = now + NOTICE_AFTER
        return True

    @property
    def patience(self) -> float:
        """Seconds until the next thing that is to be done without an event."""
        due = [self._news_at, *self._settled_at.values()]
        if self._up_at is not None:
            due.append(self._up_at)
        return max(0.0, min(due) - time.monotonic())
