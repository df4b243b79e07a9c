"""The reasons that streams tell of units that wait for a machine.

A unit that has just been made waits for a moment, and nobody needs a reason for that; working it out for each of ten
thousand would hold up the very stream that says when they run. So a stream first tells such a unit without one, and
reasons follow every `INTERVAL` seconds, for those that still wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.ids import UnitName
    from fleetpy_api.entities import UnitFacts
    from fleetpy_api.picture import Picture

INTERVAL = 2.0
"""Seconds between looks at the units that wait."""


class Waiting:
    """Remembers which waiting units were told of, and with which reason."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._told: dict[UnitName, str] = {}
        self._some = asyncio.Event()

    def reason(self, facts: UnitFacts) -> str:
        """The reason to tell now."""
        if not facts.waits:
            self._told.pop(facts.unit.name, None)
            return ""
        self._some.set()
        return self._told.setdefault(facts.unit.name, "")

    def forget(self) -> None:
        """Nobody listens any more."""
        self._told.clear()
        self._some.clear()

    async def run(self, tell: Callable[[set[UnitName]], None]) -> NoReturn:
        """Have units told of again when their reasons change; runs for ever."""
        while True:
            await self._some.wait()
            await asyncio.sleep(INTERVAL)
            changed = self._look()
            if changed:
                tell(changed)

    def _look(self) -> set[UnitName]:
        changed = set()
        for name, told in list(self._told.items()):
            facts = self._picture.unit(name)
            if facts is None or not facts.waits:
                del self._told[name]
            elif (reason := self._picture.pending(name)) != told:
                self._told[name] = reason
                changed.add(name)
        if not self._told:
            self._some.clear()
        return changed
