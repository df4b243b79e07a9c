"""How long to wait before the next try: longer each time up to a bound, never the same for two clients."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Waits of `shortest` seconds, doubling up to `longest`, each cut at random to between half of it and all."""

    shortest: float = 0.1
    longest: float = 2.0
    failures: int = 0
    """How many times in a row it has waited."""

    async def wait(self) -> None:
        """Wait once more."""
        await asyncio.sleep(self.next())

    def next(self) -> float:
        """The seconds to wait this time."""
        bound = min(self.longest, self.shortest * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - it only spreads clients out

    def reset(self) -> None:
        """Start from the shortest wait: what was tried has worked."""
        self.failures = 0
