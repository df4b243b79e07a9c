"""What a lab consists of at this moment, as Docker knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker.errors import NotFound

from fleetpy_lab.errors import LabError, LabUsageError
from fleetpy_lab.host import LAB_LABEL, Host, HostStatus, host_number, host_of

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container
    from docker.models.networks import Network

_REMEDIES = {HostStatus.DEAD: "revive", HostStatus.PAUSED: "resume"}
"""What brings a host back that runs no processes."""


def lab_names(client: docker.DockerClient) -> list[str]:
    """The names of all labs of this engine, also of those of which only a network is left."""
    found = {
        container.labels[LAB_LABEL]
        for container in client.containers.list(all=True, ignore_removed=True, filters={"label": LAB_LABEL})
    }
    found |= {network.attrs["Labels"][LAB_LABEL] for network in client.networks.list(filters={"label": LAB_LABEL})}
    return sorted(found)


class Inventory:
    """The containers and the network of the lab of that name."""

    def __init__(self, client: docker.DockerClient, lab: str) -> None:
        self.client = client
        self.lab = lab

    def hosts(self) -> list[Host]:
        """Every host as it is now, by number."""
        network = self.network()
        found = self.client.containers.list(all=True, ignore_removed=True, filters={"label": f"{LAB_LABEL}={self.lab}"})
        return sorted((host_of(container, network) for container in found), key=lambda host: host_number(host.name))

    def host(self, name: str) -> Host:
        """The host of that name as it is now; raises `LabUsageError`."""
        hosts = self.hosts()
        for host in hosts:
            if host.name == name:
                return host
        if not hosts:
            raise self.not_up()
        raise LabUsageError(f"the lab {self.lab} has no host {name}; it has {', '.join(host.name for host in hosts)}")

    def awake(self, name: str) -> Host:
        """The host of that name, if its processes run; raises `LabUsageError`."""
        host = self.host(name)
        if host.status in _REMEDIES:
            raise LabUsageError(f"{name} is {host.status}; `fleet-lab {_REMEDIES[host.status]} {name}` brings it back")
        return host

    def first_running(self) -> Host:
        """The first host that runs and has its network; raises `LabError`."""
        hosts = self.hosts()
        for host in hosts:
            if host.status is HostStatus.RUNNING:
                return host
        raise (
            LabError(f"no host of the lab {self.lab} runs; `fleet-lab up` brings them back") if hosts else self.not_up()
        )

    def not_up(self) -> LabUsageError:
        """What to tell somebody who wants something of a lab that is not there."""
        return LabUsageError(f"the lab {self.lab} is not up; `fleet-lab up` makes it")

    def container(self, host: Host) -> Container:
        """The host's container; raises `LabError` when it has just gone."""
        try:
            return self.client.containers.get(host.container)
        except NotFound as error:
            raise LabError(f"{host.name} is gone: somebody has just removed the container {host.container}") from error

    def network(self) -> Network | None:
        """The lab's network, if there is one."""
        found = self.client.networks.list(filters={"label": f"{LAB_LABEL}={self.lab}"})
        return found[0] if found else None

    def need_network(self) -> Network:
        """The lab's network; raises `LabError`."""
        network = self.network()
        if network is None:
            raise LabError(f"the network of the lab {self.lab} is gone; `fleet-lab down` and `up` makes it anew")
        return network
