"""Who this host is: its machine id, its name, its address."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import re
import socket
import struct
from typing import TYPE_CHECKING

from fleetpy import __version__
from fleetpy.errors import ConfigError
from fleetpy.ids import MachineID
from fleetpy.model.records import MachineRecord

if TYPE_CHECKING:
    from pathlib import Path

    from fleetpy.config import FleetConfig
    from fleetpy.ids import SessionID

_SIOCGIFADDR = 0x8915
"""netdevice(7): the address of an interface."""

_ANYWHERE = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Addresses of the documentation, which only a default route leads to. Nothing is sent to them."""


def read_machine_id(path: Path) -> MachineID:
    """The id in a file such as /etc/machine-id (machine-id(5)); raises `ConfigError`."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read this machine's id from {path}: {error}") from error
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise ConfigError(f"{path} holds no machine id but {text!r}; systemd-machine-id-setup(1) makes one")
    return MachineID(text)


def describe(config: FleetConfig, machine: MachineID, session: SessionID) -> MachineRecord:
    """The machine as it registers: its name and its address may be others each time."""
    return MachineRecord(
        id=machine,
        session=session,
        hostname=socket.gethostname(),
        public_ip=config.public_ip or find_address(),
        metadata=dict(config.metadata),
        version=__version__,
    )


def find_address() -> str:
    """The address that the host's default route uses, else the first that is not loopback; empty if there is none."""
    for there, family in _ANYWHERE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Connecting a datagram socket only looks the route up.
            probe.connect((there, 9))
            address = str(probe.getsockname()[0])
            if _is_usable(address):
                return address
    return next((address for address in _interface_addresses() if _is_usable(address)), "")


def _interface_addresses() -> list[str]:
    """The IPv4 address of each interface that has one, in the kernel's order."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return found


def _is_usable(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)
