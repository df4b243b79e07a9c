"""The way to the service manager: sd_notify(3), whose manual page gives the protocol for programs to speak themselves.

A datagram to a socket takes no library. libsystemd and what comes with it are a megabyte and more in each daemon.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager, if there is one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    def tell(self, words: str) -> None:
        """Say something; what systemd does not take (it is overloaded, or gone) is lost."""
        if self._address:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
                    speaker.sendto(words.encode(), self._address)
            except OSError:
                return
