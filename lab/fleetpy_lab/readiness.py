"""Waiting until hosts are up: systemd, then etcd, then fleetpy itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fleetpy.client.client import FleetClient
from fleetpy.errors import FleetError
from fleetpy_lab.errors import LabError
from fleetpy_lab.running import CommandFailedError, run_on, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import docker

    from fleetpy_lab.host import Host
    from fleetpy_lab.progress import Progress

_UP = ("running", "degraded")
_BOOTED = ("starting", *_UP)
"""What `systemctl is-system-running` says from basic.target on (systemctl(1))."""


def wait_for_boot(client: docker.DockerClient, host: Host, timeout: float) -> None:
    """Wait until the host's systemd has come as far as to take orders; its services may still be starting."""

    def booted() -> bool:
        return _system_state(client, host, [], timeout) in _BOOTED

    wait_until(booted, timeout, f"{host.name} boots")


def wait_for_services(client: docker.DockerClient, hosts: Sequence[Host], timeout: float, progress: Progress) -> None:
    """Wait until everything that is started at boot has started; says which services failed."""

    def wait(host: Host) -> str:
        def up() -> bool:
            return _system_state(client, host, ["--wait"], timeout) in _UP

        try:
            wait_until(up, timeout, f"{host.name} starts its services")
        except LabError as error:
            raise LabError(f"{error}; still starting: {_listed(client, host, 'list-jobs')}") from error
        return _system_state(client, host, [], timeout)

    with ThreadPoolExecutor(max_workers=8) as pool:
        for host, state in zip(hosts, pool.map(wait, hosts), strict=True):
            if state == "degraded":
                progress.say(f"{host.name} is up, but failed: {_listed(client, host, 'list-units', '--failed')}")


def _system_state(client: docker.DockerClient, host: Host, options: Sequence[str], timeout: float) -> str:
    command = ["systemctl", "is-system-running", *options]
    return run_on(client, host.container, command, timeout=timeout).stdout.strip()


def _listed(client: docker.DockerClient, host: Host, *query: str) -> str:
    completed = run_on(client, host.container, ["systemctl", *query, "--plain", "--no-legend"], timeout=10)
    names = [word for line in completed.stdout.splitlines() for word in line.split() if "." in word and "/" not in word]
    return ", ".join(dict.fromkeys(names)) or "nothing that systemd knows of"


def wait_for_etcd(client: docker.DockerClient, hosts: Sequence[Host], timeout: float) -> None:
    """Wait until every member of etcd answers reads that the whole cluster agrees on."""
    members = [host for host in hosts if host.etcd]
    endpoints = ",".join(f"{host.address}:2379" for host in members)

    def healthy() -> bool:
        command = ["etcdctl", f"--endpoints={endpoints}", "endpoint", "health"]
        completed = run_on(client, members[0].container, command, timeout=timeout)
        if completed.returncode != 0:
            raise CommandFailedError((completed.stderr or completed.stdout).strip(), completed)
        return True

    wait_until(healthy, timeout, "etcd's members answer")


def wait_for_machines(endpoint: str, hosts: Sequence[Host], timeout: float) -> None:
    """Wait until the API shows every host as a live machine of the cluster."""
    wanted = {host.machine_id: host.name for host in hosts}

    def all_there() -> bool:
        try:
            with FleetClient(endpoint) as cluster:
                there = {machine.id for machine in cluster.machines().machines}
        except FleetError as error:
            raise LabError(str(error)) from error
        missing = [name for machine, name in wanted.items() if machine not in there]
        if missing:
            raise LabError(f"{', '.join(missing)} not in the list of machines yet; see `fleet-lab logs {missing[0]}`")
        return True

    wait_until(all_there, timeout, f"fleet has all {len(hosts)} machines")
