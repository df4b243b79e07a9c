"""The Vagrantfile, with the provider that needs no virtualisation."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetpy_lab.engine import ensure_engine
from fleetpy_lab.hostimage import ensure_host_image
from fleetpy_lab.network import free_subnets, taken_subnets
from fleetpy_lab.privilege import install_packages
from fleetpy_lab.progress import Progress
from fleetpy_lab.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

VAGRANT = Path(__file__).parents[2] / "vagrant"
EXAMPLE = Path(__file__).parents[2] / "units" / "examples" / "hello.service"
PATIENCE = 60.0
VAGRANTS_OWN = 300.0


@dataclass
class Vagrant:
    """Vagrant as its users have it, except that its machines and keys are this test's own."""

    network: str
    """The first three numbers of the hosts' addresses."""
    directory: Path

    def __call__(self, *arguments: str, given: str = "", check: bool = True) -> str:
        completed = subprocess.run(  # noqa: S603 - the project's own Vagrantfile
            [str(shutil.which("vagrant")), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=VAGRANT,
            input=given,
            timeout=VAGRANTS_OWN,
            env={
                **os.environ,
                "FLEET_NETWORK": self.network,
                "VAGRANT_CHECKPOINT_DISABLE": "1",
                "VAGRANT_DOTFILE_PATH": str(self.directory / "machines"),
                "VAGRANT_HOME": str(self.directory / "home"),
            },
        )
        assert completed.returncode == 0 or not check, completed.stdout + completed.stderr
        return completed.stdout

    def on(self, host: str, command: str, *, given: str = "", check: bool = True) -> str:
        """What a command prints that is run on a host as a user would run it."""
        return self("ssh", host, "--no-tty", "--command", command, given=given, check=check)


@pytest.fixture
def vagrant(tmp_path: Path) -> Iterator[Vagrant]:
    if shutil.which("vagrant") is None:
        install_packages(["vagrant"], "test the Vagrantfile", Progress())
    client = ensure_engine(Progress())
    ensure_host_image(client)
    subnet = next(free_subnets(taken_subnets(client)))
    client.close()
    vagrant = Vagrant(str(subnet.network_address).rpartition(".")[0], tmp_path)
    try:
        yield vagrant
    finally:
        vagrant("destroy", "--force")


def test_vagrant_brings_up_three_hosts_that_make_a_cluster(vagrant: Vagrant) -> None:
    vagrant("up", "--provider=docker")
    addresses = [f"{vagrant.network}.{number}" for number in (11, 12, 13)]

    def together() -> bool:
        told = vagrant.on("host1", "fleetctl list-machines --no-legend --fields=ip", check=False)
        return sorted(told.split()) == addresses

    wait_until(together, PATIENCE, "the hosts make a cluster")
    vagrant.on("host2", "cat >hello.service && fleetctl start hello.service", given=EXAMPLE.read_text())
    found = ""

    def runs() -> bool:
        nonlocal found
        found = vagrant.on("host3", "fleetctl list-units --no-legend --full")
        return found.split()[2:] == ["active", "running"]

    wait_until(runs, PATIENCE, "the unit runs")
    unit, machine, *_ = found.split()
    assert unit == "hello.service"
    assert machine.partition("/")[2] in addresses
