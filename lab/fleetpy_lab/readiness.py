"""Waiting until hosts are up: systemd, then etcd, then fleetpy itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.client.client import FleetClient
from fleetpy.errors import FleetError
from fleetpy_lab.errors import HostDiedError, LabError
from fleetpy_lab.host import HostStatus
from fleetpy_lab.running import CommandFailedError, run_on, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import docker

    from fleetpy_lab.etcd import Etcd
    from fleetpy_lab.host import Host
    from fleetpy_lab.inventory import Inventory
    from fleetpy_lab.progress import Progress

_UP = ("running", "degraded")
_BOOTED = ("starting", *_UP)
"""What `systemctl is-system-running` says from basic.target on (systemctl(1))."""
_QUESTION_TIMEOUT = 10.0


def wait_for_boot(inventory: Inventory, host: Host, timeout: float) -> None:
    """Wait until the host's systemd has come as far as to take orders; its services may still be starting."""
    wait_until(lambda: _system_state(inventory, host) in _BOOTED, timeout, f"{host.name} boots")


def wait_for_services(inventory: Inventory, hosts: Sequence[Host], timeout: float, progress: Progress) -> None:
    """Wait until everything that is started at boot has started; says which services failed."""
    states: dict[str, str] = {}

    def all_up() -> bool:
        for host in hosts:
            if states.get(host.name) not in _UP:
                progress.detail(host.name)
                # Letting systemd wait leaves the processors to what is starting.
                states[host.name] = _system_state(inventory, host, "--wait")
        return all(states[host.name] in _UP for host in hosts)

    try:
        wait_until(all_up, timeout, "every host starts its services")
    except LabError as error:
        late = [host for host in hosts if states.get(host.name) not in _UP]
        jobs = "; ".join(f"{host.name} is still starting {_listed(inventory, host, 'list-jobs')}" for host in late)
        raise LabError(f"{error}; {jobs}") from error
    for host in hosts:
        if states[host.name] == "degraded":
            progress.say(f"{host.name} is up, but failed: {_listed(inventory, host, 'list-units', '--failed')}")


def _system_state(inventory: Inventory, host: Host, *options: str) -> str:
    if inventory.host(host.name).status is HostStatus.DEAD:
        words = inventory.container(host).logs(tail=5).decode(errors="replace").strip()
        raise HostDiedError(f"{host.name} died while it booted; its last words: {words or 'none'}")
    command = ["systemctl", "is-system-running", *options]
    return run_on(inventory.client, host, command, timeout=_QUESTION_TIMEOUT).stdout.strip()


def _listed(inventory: Inventory, host: Host, *query: str) -> str:
    command = ["systemctl", *query, "--plain", "--no-legend"]
    answer = run_on(inventory.client, host, command, timeout=_QUESTION_TIMEOUT).stdout
    names = [word for line in answer.splitlines() for word in line.split() if "." in word and "/" not in word]
    return ", ".join(dict.fromkeys(names)) or "nothing that systemd knows of"


def wait_for_etcd(client: docker.DockerClient, hosts: Sequence[Host], etcd: Etcd, timeout: float) -> None:
    """Wait until every member of etcd answers reads that the whole cluster agrees on; see to its users."""
    members = [host for host in hosts if host.etcd]
    everywhere = {"ETCDCTL_ENDPOINTS": ",".join(etcd.client_url(host.address) for host in members)}

    def healthy() -> bool:
        command = ["etcdctl", "endpoint", "health"]
        completed = run_on(client, members[0], command, timeout=timeout, environment=everywhere)
        if completed.returncode != 0:
            raise CommandFailedError((completed.stderr or completed.stdout).strip(), completed)
        return True

    wait_until(healthy, timeout, "etcd's members answer")
    if etcd.secure:
        _have_users(client, members[0], etcd, timeout)


def _have_users(client: docker.DockerClient, member: Host, etcd: Etcd, timeout: float) -> None:
    anonymous = {"ETCDCTL_USER": ""}
    if run_on(client, member, ["etcdctl", "user", "list"], timeout=timeout, environment=anonymous).returncode != 0:
        return  # Users are asked for already.
    for command in etcd.users():
        completed = run_on(client, member, ["etcdctl", *command], timeout=timeout, environment=anonymous)
        if completed.returncode != 0:
            raise LabError(f"etcdctl {' '.join(command)} on {member.name}: {completed.stderr.strip()}")


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
