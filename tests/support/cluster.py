"""What the tests on real hosts share: fleetctl from outside, units to run, what systemd says on each host."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from fleetpy_lab.host import HostStatus

if TYPE_CHECKING:
    from fleetpy_lab.lab import Lab

FLEETCTL = str(Path(sys.executable).with_name("fleetctl"))
SLEEPER = "[Service]\nExecStart=/bin/sleep infinity\n"
HOSTS = ("host1", "host2", "host3")
PATIENCE = 60.0
"""Seconds until a condition that is to come about is given up: several times what it takes on a slow machine."""

Completed = subprocess.CompletedProcess[str]


def sleeper(*options: str) -> str:
    """A service that runs for ever, with these lines in its [X-Fleet] section."""
    return "\n".join((SLEEPER + "[X-Fleet]", *options, ""))


@dataclass
class Cluster:
    """A lab as its users have it: fleetctl and a folder of unit files on one side, the hosts on the other."""

    lab: Lab
    folder: Path
    patched: set[tuple[str, str]] = field(default_factory=set)
    """Machines and the keys of metadata that they were given."""

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

    def said(self, host: str, *command: str, check: bool = True) -> str:
        """What a command on the host prints."""
        return self.lab.exec(host, *command, check=check).stdout

    def signal(self, host: str, service: str, signal: str) -> None:
        """Send a signal to a service's main process (not to its control group: nested hosts cannot read that)."""
        self.lab.exec(host, "systemctl", "kill", "--kill-whom=main", f"--signal={signal}", service, check=True)

    def active_on(self, host: str, *units: str) -> set[str]:
        """Which of the units are active, by that host's systemd."""
        answers = self.said(host, "systemctl", "is-active", *units, check=False).split()
        return {unit for unit, answer in zip(units, answers, strict=True) if answer == "active"}

    def main_pid(self, host: str, unit: str) -> int:
        """The unit's main process on that host; 0 if there is none."""
        return int(self.said(host, "systemctl", "show", "--property=MainPID", "--value", unit))

    def host_of(self, machine: str) -> str:
        """The host that has this machine id."""
        return next(host.name for host in self.lab.hosts() if host.machine_id == machine)

    def placed(self) -> dict[str, str]:
        """What list-unit-files says of where each unit is, running or not: a host, `global`, or nothing."""
        lines = self.fleetctl("list-unit-files", "--no-legend", "--full", "--fields=unit,target").stdout
        hosts = {host.machine_id: host.name for host in self.lab.hosts()}
        rows = (line.split("\t") for line in lines.splitlines())
        return {unit: hosts.get(target.partition("/")[0], "" if target == "-" else target) for unit, target in rows}

    def machines(self) -> set[str]:
        """The hosts that list-machines shows."""
        return set(self.fleetctl("list-machines", "--no-legend", "--fields=hostname").stdout.split())

    def explain(self, unit: str) -> str:
        """What fleetctl says of where the unit is, or why it is nowhere: the first line."""
        return self.fleetctl("explain", unit).stdout.splitlines()[0]

    def patch(self, *operations: dict[str, str]) -> httpx.Response:
        """`PATCH /machines` of the original's API."""
        path = self.lab.endpoint().removeprefix("unix://")
        with httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://fleet") as client:
            return client.patch("/fleet/v1/machines", json=list(operations))

    def set_metadata(self, host: str, **metadata: str | None) -> None:
        """Give a host metadata while it runs; None takes a key away."""
        machine = self.lab.host(host).machine_id
        self.patched.update((machine, key) for key in metadata)
        answer = self.patch(
            *(
                {"op": "remove", "path": f"/{machine}/metadata/{key}"}
                if value is None
                else {"op": "add", "path": f"/{machine}/metadata/{key}", "value": value}
                for key, value in metadata.items()
            )
        )
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text

    def forget_metadata(self) -> None:
        """Take away all that `set_metadata` gave."""
        operations = [{"op": "remove", "path": f"/{machine}/metadata/{key}"} for machine, key in sorted(self.patched)]
        if operations:
            self.patch(*operations)

    def until_placed(self, wanted: dict[str, str]) -> None:
        """Wait until list-unit-files says that units are exactly there."""
        self.lab.wait_until(lambda: self.placed() == wanted, PATIENCE, f"placed: {wanted}")

    def until_machines(self, *hosts: str) -> None:
        """Wait until exactly these hosts are in the cluster."""
        self.lab.wait_until(lambda: self.machines() == set(hosts), PATIENCE, f"the machines are {hosts}")

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
