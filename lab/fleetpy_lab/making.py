"""Making a lab's hosts and network, and removing them."""

from __future__ import annotations

import io
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound

from fleetpy_lab.errors import LabError
from fleetpy_lab.host import LAB_LABEL, Host, HostPlan, create_host, host_number
from fleetpy_lab.network import address_of, create_network
from fleetpy_lab.paths import lab_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker.models.containers import Container

    from fleetpy_lab.etcd import Etcd
    from fleetpy_lab.inventory import Inventory

_KEYS = {"/root/.ssh/id_ed25519": "id_ed25519", "/etc/ssh/ssh_known_hosts": "known_hosts"}
"""What hosts have to get into each other, and its names in the lab's directory."""


def make_hosts(
    inventory: Inventory, image: str, names: Sequence[str], metadata: Mapping[str, Mapping[str, str]], etcd: Etcd
) -> None:
    """Make the network if it is missing, and start new hosts. Raises `LabError`; what was made so far stays."""
    lab, present = inventory.lab, inventory.hosts()
    network = inventory.network()
    if network is None:
        if present:
            raise LabError(f"the network of the lab {lab} is gone; `fleet-lab down` and `up` makes it anew")
        network = create_network(inventory.client, lab, {LAB_LABEL: lab})
    addresses = {name: address_of(network, host_number(name)) for name in names}
    members = {host.name: host.address for host in present if host.etcd}
    # An etcd cluster keeps the members that it was born with; hosts that come later are clients of it.
    members = members or dict(list(addresses.items())[: etcd.members])
    try:
        made = [
            create_host(
                inventory.client,
                lab,
                image,
                HostPlan(name, address, members, metadata.get(name, {}), lab_dir(lab) / name, etcd),
                network,
            )
            for name, address in addresses.items()
        ]
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(_start, made))
    except APIError as error:
        raise LabError(f"cannot make a host of the lab {lab}: {error.explanation or error}") from error
    _keep_keys(made[0], lab)


def _start(container: Container) -> None:
    container.start()


def _keep_keys(container: Container, lab: str) -> None:
    for path, name in _KEYS.items():
        chunks, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            member = tar.extractfile(tar.getmembers()[0])
            content = member.read() if member else b""
        target = lab_dir(lab) / name
        target.touch(mode=0o600)
        target.write_bytes(content)


def remove_hosts(inventory: Inventory, hosts: Sequence[Host]) -> None:
    """Remove hosts with all that is on their disks."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda host: _remove(inventory, host), hosts))


def _remove(inventory: Inventory, host: Host) -> None:
    try:
        inventory.container(host).remove(force=True, v=True)
    except APIError as error:
        if not isinstance(error, NotFound):
            raise LabError(f"cannot remove {host.container}: {error.explanation or error}") from error
    shutil.rmtree(lab_dir(inventory.lab) / host.name, ignore_errors=True)


def remove_rest(inventory: Inventory) -> None:
    """Remove a lab's network and directory, once its hosts are gone."""
    network = inventory.network()
    try:
        if network is not None:
            network.remove()
    except APIError as error:
        raise LabError(f"cannot remove the network {network}: {error.explanation or error}") from error
    shutil.rmtree(lab_dir(inventory.lab), ignore_errors=True)
