"""`fleet-api` as a process, under a service manager that is played."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLEET_API = [sys.executable, "-c", "import sys; from fleetpy_api.main import main; sys.exit(main())"]
AS_SYSTEMD = 'exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
"""The shell moves the socket to descriptor 3, and becomes the process that it is meant for."""
PATIENCE = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def notifications(path: Path) -> Iterator[socket.socket]:
    """What a service manager listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(PATIENCE)
        yield manager


@contextmanager
def running(
    command: list[str], manager: socket.socket, listener: socket.socket | None = None, **environ: str
) -> Iterator[subprocess.Popen[str]]:
    """The process, from its readiness on."""
    descriptors = [] if listener is None else [listener.fileno()]
    if descriptors:
        command = ["/bin/bash", "-c", AS_SYSTEMD.format(descriptors[0]), "-", *command]
    process = subprocess.Popen(  # noqa: S603 - the test's own command
        command,
        env={
            "PATH": os.environ["PATH"],
            "NOTIFY_SOCKET": manager.getsockname(),
            "FLEET_ETCD_SERVERS": f"http://127.0.0.1:{free_port()}",
            **environ,
        },
        pass_fds=descriptors,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_for(manager, "READY=1")
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(manager: socket.socket, wanted: str) -> bool:
    """Wait for a notification."""
    while True:
        if wanted in manager.recv(4096).decode().splitlines():
            return True
