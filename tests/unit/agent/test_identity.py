"""Who the host is."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

import pytest

from fleetpy import __version__
from fleetpy.config import FleetConfig
from fleetpy.errors import ConfigError
from fleetpy.ids import MachineID, SessionID
from fleetpy.model.records import MachineRecord
from fleetpy_agent.identity import describe, find_address, read_machine_id

if TYPE_CHECKING:
    from pathlib import Path

ID = "0123456789abcdef" * 2


def test_the_machine_s_id_is_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    file.write_text(f"{ID}\n", encoding="ascii")
    assert read_machine_id(file) == ID


@pytest.mark.parametrize("content", ["", "uninitialized\n", ID.upper(), ID[:-1], "é"])
def test_a_file_without_an_id_is_an_error_that_says_what_to_do(tmp_path: Path, content: str) -> None:
    file = tmp_path / "machine-id"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="machine-id"):
        read_machine_id(file)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read this machine's id from .*/none"):
        read_machine_id(tmp_path / "none")


def test_a_machine_is_described_by_its_configuration_and_its_host() -> None:
    config = FleetConfig(public_ip="192.0.2.7", metadata={"region": "eu"})
    assert describe(config, MachineID(ID), SessionID("s")) == MachineRecord(
        id=MachineID(ID),
        session=SessionID("s"),
        hostname=socket.gethostname(),
        public_ip="192.0.2.7",
        metadata={"region": "eu"},
        version=__version__,
    )


def test_an_address_is_found_where_none_is_configured() -> None:
    address = find_address()
    assert address == "" or not ipaddress.ip_address(address).is_loopback
