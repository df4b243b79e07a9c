"""Until when the host may run what must never run twice: told to `fleet-lease` (lease_guard.py) in a file.

That is the deadline of the lease that the machine's registration hangs on, and only of that one: with a new lease the
machine is not registered yet, and what was placed here may have gone elsewhere meanwhile.
"""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING

from fleetpy.ids import NO_LEASE
from fleetpy.registry.lease import LeaseStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.ids import LeaseID

_log = logging.getLogger(__name__)


class Promise:
    """Passes the lease's deadline on while the machine is registered; `write` keeps it for the guard."""

    def __init__(self, write: Callable[[float], None]) -> None:
        self._write = write
        self._lock = Lock()
        self._registered = NO_LEASE
        self._status = LeaseStatus()

    def renewed(self, status: LeaseStatus) -> None:
        """The lease's status is different. Called in the thread that renews: a busy agent keeps its promise too."""
        with self._lock:
            self._status = status
            self._pass_on()

    def give(self, lease: LeaseID) -> None:
        """The machine's registration hangs on this lease."""
        with self._lock:
            self._registered = lease
            self._pass_on()

    def withhold(self) -> None:
        """The registration may be gone. What was said stays said: it is true until then."""
        with self._lock:
            self._registered = NO_LEASE

    def _pass_on(self) -> None:
        if self._registered == NO_LEASE:
            return
        if self._status.lease == self._registered:
            self._say(self._status.deadline)
        elif self._status.lease == NO_LEASE:
            # Taken away before its time, perhaps. What was said stays said, too: the scheduler waits for that.
            self._registered = NO_LEASE

    def _say(self, deadline: float) -> None:
        try:
            self._write(deadline)
        except OSError as error:
            _log.error("cannot tell fleet-lease until when the lease holds: %s", error)
