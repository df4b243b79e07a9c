"""What the agent asks of the host's systemd.

The words are systemd's own (org.freedesktop.systemd1(5)). Two implementations: `DBusSystemd` drives a real one,
`MemorySystemd` is one in memory.

Calls may raise `SystemdAwayError` (it cannot be reached, or did not answer: nothing is known of what became of the
call) and `SystemdRefusedError` (it answered no: saying the same again gives the same answer).

Signals are hints: one may be lost while the connection is, so whoever listens also compares, now and then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, NoReturn, Protocol

from fleetpy.errors import FleetError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from fleetpy.ids import UnitName

JobID = NewType("JobID", int)
"""A queued job of systemd; never given twice while systemd's state lasts."""

NO_JOB = JobID(0)

NO_SUCH_UNIT = "NoSuchUnit"
"""The code of a refusal: systemd does not know the unit, or has not loaded it."""

NOT_FOUND = "not-found"
"""The LoadState of a name that systemd knows no file for."""


class SystemdAwayError(UnavailableError):
    """systemd or the bus to it is away, too slow or overloaded; what was asked may or may not have been done."""


class SystemdRefusedError(FleetError):
    """systemd answered no; `code` is the last part of the D-Bus error's name, such as `BadUnitSetting`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Verb(StrEnum):
    """What a job does to its unit."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """systemd's words for a unit's LoadState, ActiveState and SubState, and its queued job if there is one."""

    load: str
    active: str
    sub: str
    job: JobID = NO_JOB

    @property
    def up(self) -> bool:
        """Whether something of it may be running: in any state but `inactive` and `failed`."""
        return self.active not in {"inactive", "failed"}


NOWHERE = UnitStatus(NOT_FOUND, "inactive", "dead")
"""What systemd says of a name that it knows nothing of."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Who is told of what; each is called in the event loop, and must not block."""

    changed: list[Callable[[UnitName, datetime | None], None]] = field(default_factory=list)
    """A watched unit may have changed; the time is when its present active state began, if the signal told."""
    job_removed: list[Callable[[JobID, str], None]] = field(default_factory=list)
    """A job has ended: `done`, `canceled`, `timeout`, `failed`, `dependency`, `skipped` and so on."""
    connected: list[Callable[[], None]] = field(default_factory=list)
    """Calls reach systemd, again or for the first time; signals may have been missed."""


class Systemd(Protocol):
    """One host's systemd, as the agent uses it."""

    @property
    def signals(self) -> Signals:
        """Where to be told."""
        ...

    def watch(self, names: Collection[UnitName]) -> None:
        """Tell changes of exactly these units from now on."""
        ...

    async def run(self) -> NoReturn:
        """Keep the connection; calls need it running."""
        ...

    async def statuses(self, names: Collection[UnitName]) -> Mapping[UnitName, UnitStatus]:
        """The status of each name; those that systemd has no file for are `not-found`. Loads what is on disk."""
        ...

    async def since(self, name: UnitName) -> datetime | None:
        """When the unit's active state last changed, by the host's wall clock; None if it never did."""
        ...

    async def result(self, name: UnitName) -> str:
        """Why a unit failed: the Result property of its type (`exit-code`, `timeout`, …); empty for types without."""
        ...

    async def fragment(self, name: UnitName) -> str:
        """The path that systemd read the unit from (FragmentPath); empty for a unit that has no file."""
        ...

    async def link(self, files: Sequence[Path]) -> None:
        """Make unit files from outside its search path known until the next boot (LinkUnitFiles)."""
        ...

    async def enable(self, files: Sequence[Path]) -> None:
        """Link unit files and do what their [Install] sections say, until the next boot (EnableUnitFiles)."""
        ...

    async def disable(self, names: Sequence[UnitName]) -> None:
        """Undo `link` and `enable` (DisableUnitFiles); refused if one of the names is not known at all."""
        ...

    async def reload(self) -> None:
        """Read all unit files again (daemon-reload): a tenth of a second or more for the whole host."""
        ...

    async def enqueue(self, verb: Verb, name: UnitName) -> JobID:
        """Queue a job, in the place of one that contradicts it (mode `replace`)."""
        ...

    async def reset_failed(self, name: UnitName) -> None:
        """Forget that the unit failed, so that systemd lets go of it."""
        ...

    async def search_path(self) -> Sequence[Path]:
        """The folders that systemd looks for unit files in."""
        ...

    async def shutting_down(self) -> bool:
        """Whether the host is on its way down (SystemState `stopping`)."""
        ...
