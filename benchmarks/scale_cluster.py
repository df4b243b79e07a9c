"""A control plane on this host: etcd, fleet-scheduler and fleet-api as processes, and as many agents as are wanted.

Everything listens on loopback or on a socket in a directory of its own, and is ended by its process id.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING

import httpx

from benchmarks.usage_sample import used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ETCD, SCHEDULER, API, AGENTS = "etcd", "fleet-scheduler", "fleet-api", "agents"
ROOT = Path(__file__).parent.parent
REQUEST_TIMEOUT = "20"
"""Seconds: `etcd_request_timeout`. A processor that is busy with a thousand hosts' agents is no member that hangs."""
PATIENCE = 60.0
"""Seconds for a process to be there, and for one to end."""
REGISTRATION = 300.0
"""Seconds for all machines to be registered."""
PER_PROCESS = 500
"""Agents in one process at the most."""
LOGGED = 20
"""Lines of a program's log that are shown when something goes wrong."""
_SAMPLE = re.compile(r"(?P<name>\w+)(?:{(?P<labels>[^}]*)})? (?P<value>\S+)")


@dataclass(frozen=True, slots=True)
class Usage:
    """What has been used up to a moment (or, as a difference, between two)."""

    at: float
    cpu: Mapping[str, float]
    """Seconds of the processor, by process; those of all agents together."""
    etcd: Mapping[str, float]
    """etcd's own counters, by name and labels."""

    def since(self, before: Usage) -> Usage:
        """What was used since then."""
        return Usage(
            self.at - before.at,
            {name: cpu - before.cpu[name] for name, cpu in self.cpu.items()},
            {name: value - before.etcd.get(name, 0.0) for name, value in self.etcd.items()},
        )

    def messages(self, method: str, way: str = "received") -> float:
        """Messages of a gRPC method that etcd has received, or `sent`."""
        return sum(
            value
            for name, value in self.etcd.items()
            if name.startswith(f"grpc_server_msg_{way}_total{{") and f'grpc_method="{method}"' in name
        )

    def total(self, name: str) -> float:
        """A counter of etcd's, all labels together."""
        return sum(value for key, value in self.etcd.items() if key.partition("{")[0] == name)


@dataclass
class ControlPlane:
    """What runs: its etcd's address, its API's socket, its processes."""

    url: str
    directory: Path
    processes: dict[str, list[subprocess.Popen[str]]] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        """Where the API listens."""
        return self.directory / "api.sock"

    def usage(self) -> Usage:
        """What has been used so far."""
        cpu = {
            name: sum(used(process.pid)["cpu"] for process in processes) for name, processes in self.processes.items()
        }
        return Usage(time.monotonic(), cpu, self.counters())

    def resident(self) -> dict[str, float]:
        """Bytes of memory that each has now."""
        return {
            name: sum(used(process.pid)["rss"] for process in processes) for name, processes in self.processes.items()
        }

    def counters(self) -> dict[str, float]:
        """What etcd's metrics say."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=PATIENCE) as answer:  # noqa: S310 - our own http
            text = answer.read().decode()
        found = (_SAMPLE.fullmatch(line) for line in text.splitlines())
        return {f"{one['name']}{{{one['labels'] or ''}}}": float(one["value"]) for one in found if one}


@contextmanager
def etcd() -> Iterator[ControlPlane]:
    """An etcd of one member, with its data on the disk that holds temporary files."""
    program = which("etcd")
    assert program, "there is no etcd here; Debian's package etcd-server has it"
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="fleetpy-scale-")))
        plane = ControlPlane(f"http://127.0.0.1:{_free_port()}", directory)
        peers = f"http://127.0.0.1:{_free_port()}"
        command = [
            program,
            f"--data-dir={directory / 'etcd'}",
            f"--listen-client-urls={plane.url}",
            f"--advertise-client-urls={plane.url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--logger=zap",
            "--log-level=error",
        ]
        plane.processes[ETCD] = [stack.enter_context(running(command, directory))]
        wait_until(lambda: _answers(plane), "etcd to answer")
        yield plane


@contextmanager
def control_plane(machines: int, agents: str) -> Iterator[ControlPlane]:
    """etcd, a scheduler that leads, an API, and the agents of as many machines, all of them registered."""
    with etcd() as plane, ExitStack() as stack:
        plane.processes[SCHEDULER] = [stack.enter_context(_daemon("fleetpy_scheduler", plane))]
        plane.processes[API] = [stack.enter_context(_daemon("fleetpy_api", plane, f"--socket={plane.socket}"))]
        plane.processes[AGENTS] = [
            stack.enter_context(running(_agents(agents, plane, first, min(PER_PROCESS, machines - first)), ROOT))
            for first in range(0, machines, PER_PROCESS)
        ]
        wait_until(lambda: _registered(plane, machines), f"{machines} machines to be registered", REGISTRATION)
        yield plane


def _answers(plane: ControlPlane) -> bool:
    try:
        plane.counters()
    except OSError:
        return False
    return True


def _registered(plane: ControlPlane, machines: int) -> bool:
    """Whether a scheduler leads, and the API shows that many machines."""
    transport = httpx.HTTPTransport(uds=str(plane.socket))
    try:
        with httpx.Client(base_url="http://localhost/fleetpy/v1", transport=transport, timeout=PATIENCE) as client:
            leads = client.get("/health").json().get("leader", "")
            return bool(leads) and len(client.get("/machines").json()["machines"]) == machines
    except httpx.TransportError:
        return False


def _agents(module: str, plane: ControlPlane, first: int, count: int) -> list[str]:
    return [sys.executable, "-m", module, plane.url, str(first), str(count)]


@contextmanager
def _daemon(package: str, plane: ControlPlane, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    code = f"import sys; from {package}.main import main; sys.exit(main())"
    environment = {"FLEET_ETCD_SERVERS": plane.url, "FLEET_ETCD_REQUEST_TIMEOUT": REQUEST_TIMEOUT}
    with running([sys.executable, "-c", code, *arguments], plane.directory, environment) as process:
        yield process


@contextmanager
def running(
    command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None, *, answers: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A program of ours that runs until the context ends; `answers`: its standard output is read.

    What it logs is shown if something goes wrong while it runs.
    """
    log = TemporaryFile("w+")  # noqa: SIM115 - closed below, when it is known whether to show it
    process = subprocess.Popen(  # noqa: S603 - the benchmark's own commands
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **(environment or {})},
        stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
        stderr=log,
        text=True,
    )
    try:
        yield process
    except BaseException:
        log.seek(0)
        sys.stderr.writelines(log.readlines()[-LOGGED:])
        raise
    finally:
        log.close()
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_until(ready: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Ask again and again until it is so; fails after `patience` seconds."""
    give_up_at = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < give_up_at, f"waited {patience:g} s for {what}"
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
