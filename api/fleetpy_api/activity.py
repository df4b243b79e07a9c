"""Whether anybody uses the API: what decides when a socket-activated one may end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Activity:
    """Counts the requests, streams among them, that are open."""

    def __init__(self) -> None:
        self._open = 0
        self._changed = asyncio.Event()

    @property
    def open(self) -> int:
        """How many requests are being answered."""
        return self._open

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """A request is open for as long as the context lasts."""
        self._open += 1
        self._changed.set()
        try:
            yield
        finally:
            self._open -= 1
            self._changed.set()

    async def idle(self, seconds: float) -> None:
        """Return once no request has been open for so long."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(seconds if self._open == 0 else None):
                    await self._changed.wait()
            except TimeoutError:
                if not self._changed.is_set():
                    return
