"""A network of its own for each lab, on a subnet that nobody else here uses."""

from __future__ import annotations

import ipaddress
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from fleetpy_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import docker
    from docker.models.networks import Network

_ROUTES = Path("/proc/net/route")
_FIRST_HOST = 10
"""Added to a host's number for the last part of its address: host1 is x.x.x.11."""
MOST_HOSTS = 200


def candidates() -> Iterator[ipaddress.IPv4Network]:
    """Subnets to try: private ranges (RFC 1918) that few use, away from Docker's own default pools."""
    for second in (213, 214, 215):
        yield from ipaddress.ip_network(f"10.{second}.0.0/16").subnets(new_prefix=24)  # type: ignore[misc]  # IPv4


def free_subnets(taken: Iterable[ipaddress.IPv4Network]) -> Iterator[ipaddress.IPv4Network]:
    """The candidates that overlap with nothing that is taken."""
    used = list(taken)
    return (subnet for subnet in candidates() if not any(subnet.overlaps(other) for other in used))


def parse_routes(table: str) -> list[ipaddress.IPv4Network]:
    """The destinations in a table of the form of /proc/net/route, without the default route."""
    routes = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        destination, mask = (socket.inet_ntoa(struct.pack("<L", int(fields[place], 16))) for place in (1, 7))
        if mask != "0.0.0.0":  # noqa: S104 - a mask, not an address to listen on
            routes.append(ipaddress.IPv4Network(f"{destination}/{mask}", strict=False))
    return routes


def create_network(client: docker.DockerClient, name: str, labels: dict[str, str]) -> Network:
    """A bridge network on a free subnet; raises `LabError`."""
    for subnet in free_subnets(taken_subnets(client)):
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))])
        try:
            return client.networks.create(name, driver="bridge", ipam=ipam, labels=labels, check_duplicate=True)
        except APIError as error:
            # Docker sees addresses in use that are in no table of ours, and other labs may come up at the same time.
            if "overlap" not in str(error.explanation).lower():
                raise LabError(f"cannot create the network {name}: {error.explanation}") from error
    raise LabError("no free subnet is left for the lab; `docker network prune` removes networks that nobody uses")


def address_of(network: Network, number: int) -> str:
    """The address of the host of that number, counted from 1."""
    network.reload()
    subnet = ipaddress.ip_network(network.attrs["IPAM"]["Config"][0]["Subnet"])
    return str(subnet[_FIRST_HOST + number])


def taken_subnets(client: docker.DockerClient) -> list[ipaddress.IPv4Network]:
    """The subnets that this machine has routes to or Docker has networks on."""
    taken = parse_routes(_ROUTES.read_text()) if _ROUTES.exists() else []
    for network in client.networks.list():
        for pool in network.attrs["IPAM"]["Config"] or []:
            subnet = ipaddress.ip_network(pool["Subnet"])
            if isinstance(subnet, ipaddress.IPv4Network):
                taken.append(subnet)
    return taken
