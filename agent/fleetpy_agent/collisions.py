"""Units of the host's own that have the name of one of ours: they are never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_agent.systemd.protocol import NOT_FOUND, NOWHERE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from fleetpy.ids import UnitName
    from fleetpy_agent.files import HostFiles
    from fleetpy_agent.systemd.protocol import Systemd, UnitStatus

WITHOUT_FILE = "systemd itself"
"""In the place of a path, for units that have no file: mounts that somebody else mounted, slices, scopes."""


class Collisions:
    """The names that the host has taken, each with the path of its unit.

    A unit file of that name may stand in systemd's search path, seen by looking there; or systemd may have a unit of
    that name in its memory: an instance of a template of the host's, or one without a file. Of the latter only those
    that are up: systemd calls every slice loaded, whether or not anybody has ever heard of it.
    """

    def __init__(self, systemd: Systemd, files: HostFiles) -> None:
        self._systemd = systemd
        self._files = files
        self._search_path: Sequence[Path] | None = None
        self._paths: dict[UnitName, str] = {}

    @property
    def paths(self) -> Mapping[UnitName, str]:
        """Those found."""
        return self._paths

    def forget_search_path(self) -> None:
        """Ask for the search path anew next time: it may be another systemd's."""
        self._search_path = None

    async def find(
        self, strangers: Collection[UnitName], ours: Collection[UnitName], units: Mapping[UnitName, UnitStatus]
    ) -> None:
        """Look at `strangers`, which we have not put into systemd, and at `ours`, which we have; keep the rest.

        Raises `SystemdAwayError`.
        """
        if self._search_path is None:
            self._search_path = await self._systemd.search_path()
        for name in (*strangers, *ours):
            self._paths.pop(name, None)
            path = self._files.collision(name, self._search_path)
            if path is not None:
                self._paths[name] = path
        for name in strangers:
            status = units.get(name, NOWHERE)
            if name not in self._paths and status.load != NOT_FOUND:
                fragment = await self._systemd.fragment(name)
                if (fragment or status.up) and not self._files.is_ours(name, fragment):
                    self._paths[name] = fragment or WITHOUT_FILE

    def keep_only(self, names: Collection[UnitName]) -> None:
        """Forget about all others."""
        self._paths = {name: path for name, path in self._paths.items() if name in names}
