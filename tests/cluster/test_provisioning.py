"""The script that makes a host, on a machine that is none yet: what Vagrant does with a virtual machine."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from fleetpy_lab.engine import ensure_engine
from fleetpy_lab.host import Host, HostStatus, endpoint, network_name
from fleetpy_lab.image import ensure_base_image
from fleetpy_lab.kit import write_kit
from fleetpy_lab.network import address_of, create_network
from fleetpy_lab.progress import Progress
from fleetpy_lab.running import run_on, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker
    from docker.models.containers import Container

NAME = "plain"
BOOT = """
grep -E ' cgroup2? ' /proc/mounts | while read -r _ tree _; do mount -o remount,bind,rw "$tree"; done
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
exec /sbin/init
"""
"""What the machine's first process does; the rest is Debian's."""
SLEEPER = "[Service]\\nExecStart=/bin/sleep infinity\\n"
PATIENCE = 60.0
PROVISIONING = 300.0


@dataclass
class Machine:
    """Debian with systemd, and the kit at /vagrant."""

    client: docker.DockerClient
    container: Container
    host: Host

    def run(self, *command: str, timeout: float = PATIENCE) -> str:
        completed = run_on(self.client, self.host, command, timeout=timeout)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def until_booted(self) -> None:
        def booted() -> bool:
            told = run_on(self.client, self.host, ["systemctl", "is-system-running", "--wait"], timeout=PATIENCE).stdout
            return told.strip() in ("running", "degraded")

        wait_until(booted, PATIENCE, "the machine boots")

    def provision(self, *options: str) -> None:
        addresses = [f"--address={self.host.address}", f"--members={NAME}={self.host.address}"]
        self.run("sh", "/vagrant/provision.sh", *addresses, *options, timeout=PROVISIONING)

    def until_active(self, unit: str) -> None:
        def active() -> bool:
            return run_on(self.client, self.host, ["systemctl", "is-active", unit], timeout=PATIENCE).returncode == 0

        wait_until(active, PATIENCE, f"{unit} is active")

    def until_listed(self, *wanted: str) -> None:
        """Wait until list-machines shows one machine, with these columns: its address and its metadata."""

        def listed() -> bool:
            command = ["fleetctl", "list-machines", "--no-legend", "--fields=ip,metadata"]
            return run_on(self.client, self.host, command, timeout=PATIENCE).stdout.split() == list(wanted)

        wait_until(listed, PATIENCE, f"the machine is listed as {wanted}")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    kit = tmp_path_factory.mktemp("kit")
    write_kit(kit)
    with ExitStack() as stack:
        client = ensure_engine(Progress())
        stack.callback(client.close)
        image, name = ensure_base_image(client), f"test-{NAME}-{uuid.uuid4().hex[:8]}"
        network = create_network(client, name, {})
        stack.callback(network.remove)
        address = address_of(network, 1)
        container = client.containers.create(
            image,
            ["sh", "-c", BOOT],
            name=name,
            hostname=NAME,
            cap_add=["SYS_ADMIN", "NET_ADMIN"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            cgroupns="private",
            tmpfs={"/run": "", "/run/lock": "", "/tmp": "exec,mode=1777"},  # noqa: S108 - the machine's own
            environment={"container": "docker"},
            stop_signal="SIGRTMIN+3",
            volumes={str(kit): {"bind": "/vagrant", "mode": "ro"}},
            network=network_name(network),
            networking_config={network_name(network): endpoint(client, NAME, address)},
        )
        stack.callback(container.remove, force=True, v=True)
        container.start()
        host = Host(NAME, HostStatus.RUNNING, address, "", etcd=True, image=image, container=name)
        machine = Machine(client, container, host)
        machine.until_booted()
        machine.provision("--metadata=region=eu")
        yield machine


def test_a_plain_machine_becomes_a_host_and_is_one_after_a_reboot(machine: Machine) -> None:
    machine.until_listed(machine.host.address, "region=eu")
    machine.container.restart(timeout=20)
    machine.until_booted()
    machine.until_listed(machine.host.address, "region=eu")
    for unit in ("etcd.service", "fleet-agent.service", "fleet-scheduler.service", "fleet-api.socket", "ssh.service"):
        machine.until_active(unit)
    assert machine.run("runuser", "-u", "core", "--", "ssh", "-oBatchMode=yes", machine.host.address, "hostname") == (
        f"{NAME}\n"
    )


def test_provisioning_again_brings_a_new_configuration_and_leaves_units_alone(machine: Machine) -> None:
    machine.run("sh", "-c", f"cd /root && printf '{SLEEPER}' >sleeper.service && fleetctl start sleeper.service")
    machine.until_active("sleeper.service")
    before = machine.run("systemctl", "show", "--property=MainPID", "sleeper.service")
    machine.provision("--metadata=region=us")
    machine.until_listed(machine.host.address, "region=us")
    assert machine.run("systemctl", "show", "--property=MainPID", "sleeper.service") == before
    machine.run("fleetctl", "destroy", "sleeper.service")
