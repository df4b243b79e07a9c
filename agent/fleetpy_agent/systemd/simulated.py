"""What a systemd in memory knows of each unit, and how a unit behaves there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy_agent.systemd.protocol import NO_JOB, NOT_FOUND, NOWHERE, JobID, UnitStatus, Verb

if TYPE_CHECKING:
    import asyncio
    from datetime import datetime

_SUB_STATES = {"active": "running", "activating": "start", "deactivating": "stop", "inactive": "dead"}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a unit behaves; times in seconds, None for ever."""

    start: float | None = 0.0
    """How long it takes to start."""
    stop: float | None = 0.0
    """How long it takes to stop."""
    becomes: str = "active"
    """Its active state once started: `active`, `failed`, or `inactive` for a oneshot that has done its work."""
    load: str = "loaded"
    """Its load state once it was read, such as `bad-setting`."""
    refuses: str = ""
    """The D-Bus error code with which every job is refused, such as `NoSuchUnit` for a dependency that is missing."""


@dataclass(slots=True)
class SimulatedUnit:
    """One unit's state."""

    text: str = ""
    """What was read from its file."""
    hosts_own: bool = False
    running: str | None = None
    """What it was started with."""
    load: str = NOT_FOUND
    fragment: str = ""
    """Where its file was read from."""
    active: str = "inactive"
    result: str = "success"
    since: datetime | None = None
    job: JobID = NO_JOB
    verb: Verb | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def status(self) -> UnitStatus:
        """In systemd's words."""
        if self.load == NOT_FOUND and self.active == "inactive":
            return NOWHERE
        return UnitStatus(self.load, self.active, _SUB_STATES.get(self.active, self.active), self.job)
