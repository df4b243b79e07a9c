"""Talking to the service manager: ready, status, stopping, and the watchdog (sd_notify(3), sd_watchdog_enabled(3))."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, NoReturn

from fleetpy.daemon.notifier import Notifier

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServiceManager:
    """Tells systemd how we are; without systemd (`NOTIFY_SOCKET` unset) it says nothing to nobody."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._tell = Notifier(environ).tell
        self._watchdog = _watchdog_seconds(environ)
        self._was_ready = False

    def ready(self, status: str) -> None:
        """The daemon can do its work from now on."""
        self._was_ready = True
        self._ready()
        self.status(status)

    def status(self, text: str) -> None:
        """One sentence for `systemctl status`."""
        self._tell(f"STATUS={' '.join(text.split())}")

    def reloading(self) -> None:
        """The daemon reads its configuration anew; `ready` follows, or `not_reloaded`."""
        # In one message: systemd looks at both together.
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def not_reloaded(self) -> None:
        """The daemon goes on as it was."""
        if self._was_ready:
            self._ready()

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._tell("STOPPING=1")

    async def feed_watchdog(self) -> NoReturn:
        """Tell systemd at half its watchdog's interval that this event loop still turns; runs for ever."""
        while self._watchdog is None:
            await asyncio.Event().wait()
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 2)

    def _ready(self) -> None:
        self._tell("READY=1")


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not environ.get("NOTIFY_SOCKET") or not microseconds.isdigit() or int(microseconds) == 0:
        return None
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
