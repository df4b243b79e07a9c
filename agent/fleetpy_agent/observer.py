"""What systemd shows of the units that the agent cares for, kept up to date.

Signals only say which units to look at; the looking is one call for all of them. `refresh` looks whether or not there
was a signal, which is what catches those that were missed.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from fleetpy_agent.report import NO_DETAILS, Details
from fleetpy_agent.systemd.protocol import NOT_FOUND, NOWHERE, SystemdAwayError, SystemdRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from fleetpy.ids import UnitName
    from fleetpy_agent.systemd.protocol import Systemd, UnitStatus

_log = logging.getLogger(__name__)

TOGETHER = 0.02
"""Seconds in which signals are gathered before looking: a unit that starts sends several."""


class Observer:
    """The statuses; `on_change` is called when one of them, or what is known beside it, is different."""

    def __init__(self, systemd: Systemd, on_change: Callable[[], None]) -> None:
        self._systemd = systemd
        self._on_change = on_change
        self._units: dict[UnitName, UnitStatus] = {}
        self._details: dict[UnitName, Details] = {}
        self._watched: frozenset[UnitName] = frozenset()
        self._signalled: dict[UnitName, datetime | None] = {}
        self._woken = asyncio.Event()
        self._looking = asyncio.Lock()
        self._begun = 0
        self._done = 0
        self._looked = asyncio.Event()
        systemd.signals.changed.append(self._signal)

    @property
    def units(self) -> Mapping[UnitName, UnitStatus]:
        """The last status seen of each watched unit."""
        return self._units

    @property
    def details(self) -> Mapping[UnitName, Details]:
        """What is known beside it."""
        return self._details

    @property
    def watched(self) -> frozenset[UnitName]:
        """The units that it looks after."""
        return self._watched

    @property
    def resting(self) -> frozenset[UnitName]:
        """The units that were loaded, and down, when they were last looked at.

        systemd keeps none of these in memory: each time that it is asked for one, it loads it from disk and drops it
        again, which takes it 0.3 ms. So they are left alone where nothing is known to have happened to them.
        """
        return frozenset(
            name for name, status in self._units.items() if status.load == "loaded" and status.active == "inactive"
        )

    def watch(self, names: Collection[UnitName]) -> None:
        """Look after these units and no others."""
        watched = frozenset(names)
        if watched == self._watched:
            return
        for name in self._watched - watched:
            self._units.pop(name, None)
            self._details.pop(name, None)
        self._watched = watched
        self._systemd.watch(watched)

    async def refresh(self, but: Collection[UnitName] = ()) -> None:
        """Look at every watched unit `but` these; raises `SystemdAwayError`."""
        await self._look(self._watched.difference(but))

    async def look(self, names: Collection[UnitName]) -> Mapping[UnitName, UnitStatus]:
        """Look at these units, all of them watched; raises `SystemdAwayError`."""
        await self._look(names)
        return {name: self._units.get(name, NOWHERE) for name in names}

    async def catch_up(self, name: UnitName) -> None:
        """Wait until the unit was looked at from now on; until that was tried, if systemd is away."""
        self._signalled.setdefault(name, None)
        self._woken.set()
        awaited = self._begun + 1
        while self._done < awaited:
            await self._looked.wait()

    async def run(self) -> NoReturn:
        """Look at units that systemd signals about."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(TOGETHER)
            self._woken.clear()
            self._begun += 1
            try:
                await self._look(())
            except SystemdAwayError as error:
                _log.debug("not looked at systemd: %s", error)  # All of it is looked at when it is back.
            self._done = self._begun
            self._looked.set()
            self._looked.clear()

    def _signal(self, name: UnitName, since: datetime | None) -> None:
        self._signalled[name] = since
        self._woken.set()

    async def _look(self, names: Collection[UnitName]) -> None:
        """Look at these units, and at those signalled about since the last look."""
        async with self._looking:
            signalled, self._signalled = self._signalled, {}
            names = self._watched.intersection((*names, *signalled))
            if not names:
                return
            statuses = await self._systemd.statuses(names)
            seen = {name: status for name, status in statuses.items() if name in self._watched}
            changed = {name: status for name, status in seen.items() if not self._is_known(name, status)}
            self._details.update(await self._describe(changed, signalled))
            self._units.update(seen)
        if changed:
            self._on_change()

    def _is_known(self, name: UnitName, status: UnitStatus) -> bool:
        before = self._units.get(name)
        return before is not None and replace(before, job=status.job) == status

    async def _describe(
        self, changed: Mapping[UnitName, UnitStatus], signalled: Mapping[UnitName, datetime | None]
    ) -> dict[UnitName, Details]:
        """What there is to know of units whose status has changed."""
        found: dict[UnitName, Details] = {}

        async def describe(name: UnitName, status: UnitStatus) -> None:
            before, since = self._units.get(name), signalled.get(name)
            try:
                if since is None and before is not None and before.active == status.active:
                    # Nor does one that has just been loaded have a past to ask for, which would load it twice again.
                    since = self._details[name].since
                elif since is None:
                    since = await self._systemd.since(name)
                result = await self._systemd.result(name) if status.active == "failed" else ""
            except (SystemdRefusedError, SystemdAwayError) as error:
                _log.debug("%s is not described: %s", name, error)
                result = ""
            found[name] = Details(since, result)

        async with asyncio.TaskGroup() as group:
            for name, status in changed.items():
                if status.load == NOT_FOUND and not status.up:
                    found[name] = NO_DETAILS
                else:
                    group.create_task(describe(name, status))
        return found
