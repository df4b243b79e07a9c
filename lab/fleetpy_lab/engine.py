"""The Docker engine that carries the hosts: found, or on Debian installed and started.

An engine that the lab started is left running, since the images are cached there; `fleet-lab down --engine` stops it,
by the process id that was written down. An engine that somebody else runs is never touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.constants
from docker.errors import DockerException

from fleetpy_lab.errors import LabError, LabUsageError
from fleetpy_lab.paths import locked, state_dir
from fleetpy_lab.privilege import install_packages, last_line, root_command

if TYPE_CHECKING:
    from fleetpy_lab.progress import Progress

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 30.0
_POLL = 0.2
_REQUEST_TIMEOUT = 300
"""Seconds for one request to the engine: importing the base image is the slowest."""
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SOCKET = Path("/var/run/docker.sock")
_SYSTEMD_RUNS = Path("/run/systemd/system")


def connect() -> docker.DockerClient | None:
    """A client of the engine that runs, or None if none runs.

    Raises `LabError` where one may well run but is not for this user, or not where `DOCKER_HOST` says.
    """
    try:
        client = docker.from_env(timeout=_REQUEST_TIMEOUT)
        client.ping()
    except DockerException as error:
        if os.environ.get("DOCKER_HOST"):
            where = os.environ["DOCKER_HOST"]
            raise LabError(f"no Docker engine answers at DOCKER_HOST={where}; start it, or unset that") from error
        if _SOCKET.exists() and not os.access(_SOCKET, os.R_OK | os.W_OK):
            remedy = "add the user to the group docker and log in again, or be root"
            raise LabError(f"{_SOCKET} refuses this user; {remedy}") from error
        return None
    return client


def ensure_engine(progress: Progress) -> docker.DockerClient:
    """A client of an engine that answers, installed and started if need be; raises `LabError`."""
    client = connect()
    if client is not None:
        return client
    with locked("engine", progress):
        client = connect()
        if client is None:
            client = _install_and_start(progress)
    return client


def _install_and_start(progress: Progress) -> docker.DockerClient:
    if _dockerd() is None:
        install_packages(["docker.io", "iptables"], "run the lab's hosts in containers", progress)
    client = connect()
    if client is not None:
        return client
    dockerd = _dockerd()
    if dockerd is None:
        raise LabError("cannot find dockerd, though docker.io is installed; see `dpkg -L docker.io`")
    if _SYSTEMD_RUNS.is_dir():
        raise LabError("the Docker engine is installed but does not run; start it with `systemctl start docker`")
    return _start(dockerd, progress)


def _dockerd() -> str | None:
    return shutil.which("dockerd", path=_SYSTEM_PATH)


def _log() -> Path:
    return state_dir() / "dockerd.log"


def _pid_file() -> Path:
    return state_dir() / "dockerd.pid"


def _start(dockerd: str, progress: Progress) -> docker.DockerClient:
    progress.say(f"starting the Docker engine; its log is {_log()}")
    # The shell's own pid is dockerd's after exec, also under sudo, whose pid would be another's.
    script = 'echo $$ >"$1" && exec "$2"'
    command = root_command(["sh", "-c", script, "sh", str(_pid_file()), dockerd], "start the Docker engine")
    with _log().open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + _START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        client = connect()
        if client is not None:
            return client
        time.sleep(_POLL)
    reason = last_line(_log().read_text(errors="replace"))
    if process.poll() is None:
        stop_engine()
        raise LabError(f"the Docker engine did not answer within {_START_TIMEOUT:g} s: {reason} (all of it: {_log()})")
    _pid_file().unlink(missing_ok=True)
    raise LabError(f"the Docker engine did not start: {reason} (all of it: {_log()})")


def stop_engine() -> int:
    """Stop the engine that the lab started, and its containers with it; returns its process id.

    Raises `LabUsageError` where the lab started none that still runs.
    """
    pid = _own_engine()
    if pid is None:
        raise LabUsageError("the Docker engine was not started by fleet-lab, or is gone: it is left alone")
    if os.geteuid() == 0:
        os.kill(pid, signal.SIGTERM)
    else:
        subprocess.run(root_command(["kill", str(pid)], "stop the Docker engine"), check=True)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while _own_engine() is not None:
        if time.monotonic() > deadline:
            raise LabError(f"the Docker engine (pid {pid}) did not stop within {_STOP_TIMEOUT:g} s; see {_log()}")
        time.sleep(_POLL)
    _pid_file().unlink(missing_ok=True)
    return pid


def _own_engine() -> int | None:
    """The process id of the engine that the lab started, if it still runs; another process's of that id is not it."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(_pid_file().read_text())
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        if name.endswith("(dockerd") and rest.split()[0] != "Z":
            return pid
    return None
