"""A daemon as a process, under a service manager that is played."""

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

FLEET_API, FLEET_SCHEDULER = (
    [sys.executable, "-c", f"import sys; from {package}.main import main; sys.exit(main())"]
    for package in ("fleetpy_api", "fleetpy_scheduler")
)
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
            "PYTHONPATH": os.pathsep.join(sys.path),
            "NOTIFY_SOCKET": manager.getsockname(),
            "FLEET_ETCD_SERVERS": f"http://127.0.0.1:{free_port()}",
            **environ,
        },
        pass_fds=descriptors,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        try:
            assert wait_for(manager, "READY=1")
        except TimeoutError as error:
            process.kill()
            raise AssertionError(f"it is not ready: {process.communicate()[1]}") from error
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def wait_for(manager: socket.socket, wanted: str) -> list[str]:
    """Wait for a notification; all that was said with it."""
    while True:
        said = manager.recv(4096).decode().splitlines()
        if wanted in said:
            return said
