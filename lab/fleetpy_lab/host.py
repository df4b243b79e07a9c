"""A host of the lab: a container whose first process is systemd.

What a host is called, where it is and whether it is a member of etcd stands in its container's labels: Docker alone has
to remember. It configures itself when it first starts; from then on the container's file system is the host's disk and
outlives its death.
"""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import docker
    from docker.models.containers import Container
    from docker.models.networks import Network
    from docker.types import EndpointConfig

    from fleetpy_lab.etcd import Etcd

LAB_LABEL = "org.fleetpy.lab"
HOST_LABEL = "org.fleetpy.lab.host"
_MACHINE_LABEL = "org.fleetpy.lab.machine-id"
_ADDRESS_LABEL = "org.fleetpy.lab.address"
_ETCD_LABEL = "org.fleetpy.lab.etcd"
_SECURE_LABEL = "org.fleetpy.lab.etcd.secure"
OUTSIDE = "/srv/fleet-lab"
"""A directory of the machine that runs the lab, as a host sees it: its API listens there too."""
SOCKET = "fleet.sock"


class HostStatus(StrEnum):
    """How a host is, as seen from outside."""

    RUNNING = "running"
    PAUSED = "paused"
    PARTITIONED = "partitioned"
    """Runs, without a network."""
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Host:
    """A host as it is at the moment."""

    name: str
    status: HostStatus
    address: str
    machine_id: str
    etcd: bool
    """Whether it is a member of the lab's etcd cluster."""
    image: str
    container: str
    """The container's name."""
    secure_etcd: bool = False
    """Whether the lab's etcd asks for certificates and a password."""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A host that is to be made."""

    name: str
    address: str
    members: Mapping[str, str]
    """The addresses of the etcd members, by host name."""
    metadata: Mapping[str, str]
    outside: Path
    """The directory here that the host sees as `OUTSIDE`."""
    etcd: Etcd


def host_number(name: str) -> int:
    """The number in a host's name: 3 for `host3`."""
    return int(name.removeprefix("host"))


def host_of(container: Container, network: Network | None) -> Host:
    """The host that a container is; `network` is its lab's, if that is left."""
    labels = container.labels
    return Host(
        name=labels[HOST_LABEL],
        status=_status(container, network),
        address=labels[_ADDRESS_LABEL],
        machine_id=labels[_MACHINE_LABEL],
        etcd=labels[_ETCD_LABEL] == "member",
        image=str(container.attrs["Config"]["Image"]),
        container=str(container.name),
        secure_etcd=labels.get(_SECURE_LABEL) == "yes",
    )


def _status(container: Container, network: Network | None) -> HostStatus:
    if container.status == "paused":
        return HostStatus.PAUSED
    if container.status != "running":
        return HostStatus.DEAD
    if network is None or network.name not in container.attrs["NetworkSettings"]["Networks"]:
        return HostStatus.PARTITIONED
    return HostStatus.RUNNING


def create_host(client: docker.DockerClient, lab: str, image: str, plan: HostPlan, network: Network) -> Container:
    """The host's container, configured but not started."""
    machine_id = uuid.uuid4().hex
    plan.outside.mkdir(parents=True, exist_ok=True)
    container = client.containers.create(
        image,
        _arguments(lab, plan),
        name=f"{lab}-{plan.name}",
        hostname=plan.name,
        labels={
            LAB_LABEL: lab,
            HOST_LABEL: plan.name,
            _MACHINE_LABEL: machine_id,
            _ADDRESS_LABEL: plan.address,
            _ETCD_LABEL: "member" if plan.name in plan.members else "client",
            _SECURE_LABEL: "yes" if plan.etcd.secure else "no",
        },
        # `--privileged` would ask for CAP_SYS_RESOURCE, which not every machine has to give.
        cap_add=["SYS_ADMIN", "NET_ADMIN"],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        cgroupns="private",
        tmpfs={"/run": "", "/run/lock": "", "/tmp": "exec,mode=1777"},  # noqa: S108 - the host's own
        environment={"container": "docker", **plan.etcd.tool()},
        volumes={str(plan.outside): {"bind": OUTSIDE, "mode": "rw"}},
        network=network_name(network),
        networking_config={network_name(network): endpoint(client, plan.name, plan.address)},
    )
    put_files(container, {**_configuration(machine_id), **plan.etcd.files()})
    return container


def endpoint(client: docker.DockerClient, name: str, address: str) -> EndpointConfig:
    """How a host is attached to its network: always with the same address, and known there by its name."""
    return client.api.create_endpoint_config(ipv4_address=address, aliases=[name])


def network_name(network: Network) -> str:
    """The name of a network that has one, as the lab's have."""
    return str(network.name)


def put_files(container: Container, files: Mapping[str, str]) -> None:
    """Write text files into a container, absolute paths, root's, mode 0644; not below /run or /tmp, which are tmpfs."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    container.put_archive("/", archive.getvalue())


def _configuration(machine_id: str) -> dict[str, str]:
    return {
        "/etc/machine-id": f"{machine_id}\n",
        # Sockets belong to whoever runs the lab, so that fleetctl can be used from outside without being root.
        "/etc/systemd/system/fleet-api.socket.d/lab.conf": (
            f"[Socket]\nListenStream={OUTSIDE}/{SOCKET}\nSocketUser={os.getuid()}\n"
        ),
    }


def _arguments(lab: str, plan: HostPlan) -> list[str]:
    """What the host's first process configures it with, once: options of recipe/host/provision.sh."""
    return [
        f"--address={plan.address}",
        f"--members={_pairs(plan.members)}",
        f"--metadata={_pairs(plan.metadata)}",
        f"--token={lab}",
        *plan.etcd.arguments(),
    ]


def _pairs(values: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in values.items())
