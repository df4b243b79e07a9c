"""What daemons tell systemd."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

from fleetpy.daemon.notifier import Notifier
from fleetpy.daemon.notify import ServiceManager

if TYPE_CHECKING:
    from pathlib import Path


def listening(address: str) -> socket.socket:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address)
    manager.settimeout(0)
    return manager


def test_words_reach_the_service_manager(tmp_path: Path) -> None:
    with closing(listening(str(tmp_path / "notify"))) as manager:
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}).tell("READY=1")
        assert manager.recv(100) == b"READY=1"
    abstract = f"fleet-notify-test-{os.getpid()}"
    with closing(listening("\0" + abstract)) as manager:
        Notifier({"NOTIFY_SOCKET": "@" + abstract}).tell("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).tell("lost")
    Notifier({}).tell("to nobody")


def test_a_status_is_one_line(tmp_path: Path) -> None:
    with closing(listening(str(tmp_path / "notify"))) as manager:
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}).status("two lines\nREADY=1 of them")
        assert manager.recv(100) == b"STATUS=two lines READY=1 of them"
