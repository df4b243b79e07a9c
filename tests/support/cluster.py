"""What the tests on real hosts share: fleetctl from outside, units to run, what systemd says on each host."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy_lab.host import HostStatus

if TYPE_CHECKING:
    from fleetpy_lab.lab import Lab

FLEETCTL = str(Path(sys.executable).with_name("fleetctl"))
SLEEPER = "[Service]\nExecStart=/bin/sleep infinity\n"
HOSTS = ("host1", "host2", "host3")
PATIENCE = 60.0
"""Seconds until a condition that is to come about is given up: several times what it takes on a slow machine."""

Completed = subprocess.CompletedProcess[str]


@dataclass
class Cluster:
    """A lab as its users have it: fleetctl and a folder of unit files on one side, the hosts on the other."""

    lab: Lab
    folder: Path
    texts: dict[str, str] = field(default_factory=dict)

    def fleetctl(self, *arguments: str, check: bool = True, host: str | None = None) -> Completed:
        """Run fleetctl here, in the folder of unit files, against the API of a host (one that runs, by default)."""
        completed = subprocess.run(  # noqa: S603 - our own program
            [FLEETCTL, "--endpoint", self.lab.endpoint(host), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=2 * PATIENCE,
        )
        if check and completed.returncode != 0:
            raise AssertionError(f"fleetctl {arguments} gave {completed.returncode}: {completed.stderr}")
        return completed

    def write(self, name: str, text: str = SLEEPER) -> str:
        """A unit file in the folder; gives its name."""
        (self.folder / name).write_text(text)
        return name

    def running(self) -> dict[str, str]:
        """What list-units says is active, by unit: the host that it is on, several separated by commas."""
        lines = self.fleetctl("list-units", "--no-legend", "--full", "--fields=unit,machine,active,sub").stdout
        hosts = {host.machine_id: host.name for host in self.lab.hosts()}
        places: dict[str, list[str]] = {}
        for line in lines.splitlines():
            unit, machine, active, _ = line.split("\t")
            if active == "active":
                places.setdefault(unit, []).append(hosts[machine.partition("/")[0]])
        return {unit: ",".join(sorted(found)) for unit, found in places.items()}

    def active_on(self, host: str, *units: str) -> set[str]:
        """Which of the units are active, by that host's systemd."""
        answers = self.lab.exec(host, "systemctl", "is-active", *units).stdout.split()
        return {unit for unit, answer in zip(units, answers, strict=True) if answer == "active"}

    def main_pid(self, host: str, unit: str) -> int:
        """The unit's main process on that host; 0 if there is none."""
        return int(self.lab.exec(host, "systemctl", "show", "--property=MainPID", "--value", unit, check=True).stdout)

    def until_running(self, wanted: dict[str, str]) -> None:
        """Wait until list-units says that exactly this is active."""
        self.lab.wait_until(lambda: self.running() == wanted, PATIENCE, f"exactly {wanted} is active")

    def leader(self) -> str:
        """The host whose scheduler leads."""
        told = ""

        def leads() -> bool:
            nonlocal told
            host = next(host.name for host in self.lab.hosts() if host.status is HostStatus.RUNNING)
            told = self.lab.exec(host, "etcdctl", "get", "--print-value-only", "/fleetpy/v1/scheduler/leader").stdout
            return bool(told.strip())

        self.lab.wait_until(leads, PATIENCE, "a scheduler leads")
        return next(host for host in HOSTS if f'"{host}/' in told)
