"""What is wanted of this machine: its placements in the registry, kept up to date."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from fleetpy.errors import InvalidUnitNameError
from fleetpy.ids import UnitName
from fleetpy.model.records import PlacementRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.backoff import Backoff
from fleetpy.registry.protocol import UnchangedSince
from fleetpy.registry.view import View
from fleetpy.unit.name import parse_unit_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Entry
    from fleetpy.registry.view import Changes
    from fleetpy_agent.home import Home

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Wish:
    name: UnitName
    written: Revision
    placement: PlacementRecord | None
    """None if the value cannot be read: then the unit stays as it is, whereas a placement that is gone ends it."""

    @property
    def is_to_go(self) -> bool:
        """Whether the unit is to be let go of."""
        return self.placement is not None and self.placement.goal is UnitGoal.INACTIVE


LONGEST_PAUSE = 0.7
"""Seconds between two tries to reach a registry that is away: with the time that a try may take it is less than the 2 s
in which a host that was cut off is to stop what is no longer its own."""


class Wishes:
    """The placements of one machine; `on_change` is called when they are different.

    `on_set_back` is called when the registry was set back to an older state, with the placements of that state.
    """

    def __init__(self, home: Home, on_change: Callable[[], None], on_set_back: Callable[[], None]) -> None:
        self._prefix = home.placements
        self._view: View[_Wish] = View(home.registry, self._prefix, self._read, backoff=Backoff(longest=LONGEST_PAUSE))
        self.swept: set[UnitName] = set()
        """Units whose placements went, or became others, when the registry was set back, until they are cleared from
        here."""
        self._on_change = on_change
        self._on_set_back = on_set_back
        self._view.subscribe(self._changed)

    @property
    def revision(self) -> Revision:
        """How far the reading has come; 0 before the first one."""
        return self._view.revision

    def get(self, name: UnitName) -> PlacementRecord | None:
        """The unit's placement, if it has one that can be read and wants it here."""
        wish = self._view.entries.get(self._prefix + name)
        return None if wish is None or wish.is_to_go else wish.placement

    def standing(self, name: UnitName) -> UnchangedSince | None:
        """The guard that the unit's placement is still what was read; None if it has none."""
        wish = self._view.entries.get(self._prefix + name)
        return None if wish is None else UnchangedSince(self._prefix + name, wish.written)

    def readable(self) -> Mapping[UnitName, PlacementRecord]:
        """Every placement that can be read and wants its unit here; one that does not is as good as none."""
        return {
            wish.name: wish.placement
            for wish in self._view.entries.values()
            if wish.placement is not None and not wish.is_to_go
        }

    def leaving(self) -> frozenset[UnitName]:
        """The units that are to be let go of: their placements say so in as many words."""
        return frozenset(wish.name for wish in self._view.entries.values() if wish.is_to_go)

    def unreadable(self) -> frozenset[UnitName]:
        """The units whose placement is there and cannot be read."""
        return frozenset(wish.name for wish in self._view.entries.values() if wish.placement is None)

    async def synced(self) -> None:
        """Wait for the first reading."""
        await self._view.synced()

    async def at_least(self, revision: Revision) -> None:
        """Wait until the reading has come as far as this."""
        await self._view.at_least(revision)

    async def reread(self) -> None:
        """Wait until they have been read anew, from now on."""
        await self._view.reread()

    async def run(self) -> NoReturn:
        """Keep up to date."""
        await self._view.run()

    def _changed(self, changes: Changes[_Wish]) -> None:
        if changes.set_back:
            self.swept |= {UnitName(key.removeprefix(self._prefix)) for key in (*changes.removed, *changes.changed)}
            self._on_set_back()
        self._on_change()

    def _read(self, entry: Entry) -> _Wish:
        try:
            name = parse_unit_name(entry.key.removeprefix(self._prefix)).full
        except InvalidUnitNameError as error:
            raise ValueError(str(error)) from error
        try:
            placement = PlacementRecord.decode(entry.value)
        except ValueError as error:
            _log.error("%s cannot be read, so the unit stays as it is: %s", entry.key, error)
            return _Wish(name, entry.mod_revision, None)
        return _Wish(name, entry.mod_revision, placement)
