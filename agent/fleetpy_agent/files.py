"""What the agent keeps on its host: unit files, drop-ins, what was applied, and its session.

    <units>/<name>                              the unit file, which systemd is told to link
    /run/systemd/system/<name>.d/10-fleet.conf  the drop-in beside it
    <state>/applied/<name>.json                 how far it was applied
    <state>/session.json                        the registration
    <state>/lease                               until when fleet-lease.service may go on (lease_guard.py)

All of it is in /run, which is empty after a boot. A file is replaced as a whole, by renaming.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fleetpy.errors import ConfigError, InvalidUnitNameError
from fleetpy.unit.name import parse_unit_name
from fleetpy_agent.applied import STRAY, AppliedRecord
from fleetpy_agent.dropin import NAME as DROPIN
from fleetpy_agent.lease_guard import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.ids import UnitName

_log = logging.getLogger(__name__)
_SUFFIX = ".json"


class HostFiles(Protocol):
    """The agent's files. Methods raise `OSError` where the disk does."""

    def records(self) -> dict[UnitName, AppliedRecord]:
        """All that was applied; a unit file that nothing is known of is `STRAY`."""
        ...

    def save(self, name: UnitName, record: AppliedRecord) -> None:
        """Keep how far a unit was applied."""
        ...

    def forget(self, name: UnitName) -> None:
        """Remove that."""
        ...

    def write(self, name: UnitName, text: str, dropin: str) -> None:
        """Put the unit's files in place; an empty drop-in is none."""
        ...

    def remove(self, name: UnitName) -> None:
        """Remove the unit's files, if they are there."""
        ...

    def unit_file(self, name: UnitName) -> Path:
        """Where the unit file is."""
        ...

    def collision(self, name: UnitName, search_path: Sequence[Path]) -> str | None:
        """The path of a unit of that name in systemd's search path that is not ours; None if there is none."""
        ...

    def is_ours(self, name: UnitName, fragment: str) -> bool:
        """Whether the path that systemd read a unit from is where we put it."""
        ...

    def read_session(self) -> bytes | None:
        """What `write_session` kept; None if there is nothing."""
        ...

    def write_session(self, content: bytes) -> None:
        """Keep the registration."""
        ...

    def write_deadline(self, deadline: float) -> None:
        """Keep until when the lease holds (seconds of `CLOCK_BOOTTIME`); called from any thread, one at a time."""
        ...


class DiskFiles(HostFiles):
    """The files on the host's disk."""

    def __init__(self, units: Path, state: Path, links: Path) -> None:
        """`units` and `state` are made if need be; `links` is systemd's folder for what lasts until the next boot.

        Raises `ConfigError` for directories that cannot be made.
        """
        self._units = units
        self._applied = state / "applied"
        self._session = state / "session.json"
        self._lease = state / Path(DEADLINE).name
        self._links = links
        for folder, what in ((units, "units_directory"), (self._applied, "the agent's state")):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"{what}: cannot make the directory {folder}: {error}") from error

    def records(self) -> dict[UnitName, AppliedRecord]:
        """See `HostFiles.records`. A record that cannot be read is as good as none."""
        found = {name: STRAY for file in self._units.iterdir() if (name := _unit_name(file.name)) is not None}
        for file in self._applied.iterdir():
            name = _unit_name(file.name.removesuffix(_SUFFIX)) if file.name.endswith(_SUFFIX) else None
            if name is not None:
                found[name] = _read_record(file)
        return found

    def save(self, name: UnitName, record: AppliedRecord) -> None:
        """See `HostFiles.save`."""
        _replace(self._record(name), record.encode())

    def forget(self, name: UnitName) -> None:
        """See `HostFiles.forget`."""
        self._record(name).unlink(missing_ok=True)

    def write(self, name: UnitName, text: str, dropin: str) -> None:
        """See `HostFiles.write`."""
        _replace(self.unit_file(name), text.encode())
        folder = self._links / f"{name}.d"
        if dropin:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / DROPIN, dropin.encode())
        else:
            self._remove_dropin(folder)

    def remove(self, name: UnitName) -> None:
        """See `HostFiles.remove`."""
        self._remove_dropin(self._links / f"{name}.d")
        self.unit_file(name).unlink(missing_ok=True)

    def unit_file(self, name: UnitName) -> Path:
        """See `HostFiles.unit_file`."""
        return self._units / name

    def collision(self, name: UnitName, search_path: Sequence[Path]) -> str | None:
        """See `HostFiles.collision`."""
        for folder in search_path:
            path = f"{folder}/{name}"
            # As a rule there is nothing: told so by an exception of pathlib's, it takes three times as long.
            if os.path.lexists(path) and not self._is_our_link(path, name):
                return path
        return None

    def is_ours(self, name: UnitName, fragment: str) -> bool:
        """See `HostFiles.is_ours`."""
        return fragment in {str(self.unit_file(name)), str(self._links / name)}

    def read_session(self) -> bytes | None:
        """See `HostFiles.read_session`."""
        with contextlib.suppress(FileNotFoundError):
            return self._session.read_bytes()
        return None

    def write_session(self, content: bytes) -> None:
        """See `HostFiles.write_session`."""
        _replace(self._session, content)

    def write_deadline(self, deadline: float) -> None:
        """See `HostFiles.write_deadline`."""
        _replace(self._lease, f"{deadline:.6f}\n".encode(), beside=self._lease.with_suffix(".new"))

    def _is_our_link(self, path: str, name: UnitName) -> bool:
        try:
            return Path(path).readlink() == self.unit_file(name)
        except OSError:  # It is no link.
            return False

    def _record(self, name: UnitName) -> Path:
        return self._applied / f"{name}{_SUFFIX}"

    @staticmethod
    def _remove_dropin(folder: Path) -> None:
        (folder / DROPIN).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Not there, or not ours alone.
            folder.rmdir()


def _replace(path: Path, content: bytes, beside: Path | None = None) -> None:
    """Write a file that is either as before or as a whole new, whenever it is looked at."""
    # A unit's name takes up to 255 bytes, all that a file's name may have: there is no room to add any.
    temporary = beside or path.parent / ".new"
    temporary.write_bytes(content)
    temporary.replace(path)


def _unit_name(text: str) -> UnitName | None:
    try:
        return parse_unit_name(text).full
    except InvalidUnitNameError:
        return None


def _read_record(file: Path) -> AppliedRecord:
    try:
        return AppliedRecord.decode(file.read_bytes())
    except ValueError as error:
        _log.error("%s cannot be read, so its unit is applied anew: %s", file, error)
        return STRAY
