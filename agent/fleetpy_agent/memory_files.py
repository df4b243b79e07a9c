"""The agent's files in memory: for simulations of many hosts, held to the same tests as those on disk."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy.ids import UnitName
from fleetpy_agent.applied import STRAY, AppliedRecord
from fleetpy_agent.files import HostFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

UNITS = Path("/run/fleet/units")
_LINKS = Path("/run/systemd/system")


class MemoryFiles(HostFiles):
    """One host's files; they outlast the agent that uses them, as those in /run do."""

    def __init__(self) -> None:
        self.texts: dict[UnitName, str] = {}
        self.dropins: dict[UnitName, str] = {}
        self.host_units: dict[UnitName, str] = {}
        """Units of the host's own, by name, with their paths."""
        self._records: dict[UnitName, AppliedRecord] = {}
        self._session: bytes | None = None
        self.deadline = -math.inf

    def records(self) -> dict[UnitName, AppliedRecord]:
        """See `HostFiles.records`."""
        return dict.fromkeys(self.texts, STRAY) | self._records

    def save(self, name: UnitName, record: AppliedRecord) -> None:
        """See `HostFiles.save`."""
        self._records[name] = record

    def forget(self, name: UnitName) -> None:
        """See `HostFiles.forget`."""
        self._records.pop(name, None)

    def write(self, name: UnitName, text: str, dropin: str) -> None:
        """See `HostFiles.write`."""
        self.texts[name] = text
        self.dropins.pop(name, None)
        if dropin:
            self.dropins[name] = dropin

    def remove(self, name: UnitName) -> None:
        """See `HostFiles.remove`."""
        self.texts.pop(name, None)
        self.dropins.pop(name, None)

    def unit_file(self, name: UnitName) -> Path:
        """See `HostFiles.unit_file`."""
        return UNITS / name

    def collision(self, name: UnitName, search_path: Sequence[Path]) -> str | None:
        """See `HostFiles.collision`."""
        path = self.host_units.get(name)
        return path if path is not None and Path(path).parent in search_path else None

    def is_ours(self, name: UnitName, fragment: str) -> bool:
        """See `HostFiles.is_ours`."""
        return fragment in {str(UNITS / name), str(_LINKS / name)}

    def read_session(self) -> bytes | None:
        """See `HostFiles.read_session`."""
        return self._session

    def write_session(self, content: bytes) -> None:
        """See `HostFiles.write_session`."""
        self._session = content

    def write_deadline(self, deadline: float) -> None:
        """See `HostFiles.write_deadline`."""
        self.deadline = deadline

    def read(self, file: Path) -> str | None:
        """A unit file's text, as systemd would read it; None if it is not there."""
        return self.texts.get(UnitName(file.name)) if file.parent == UNITS else None
