"""The sockets that the API listens on."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fleetpy.config import FleetConfig
from fleetpy.errors import ConfigError, UnavailableError
from fleetpy_api.listen import check_reach, describe, is_loopback, open_socket, passed_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSED = """
import os
os.environ["LISTEN_PID"] = str(os.getpid())
from fleetpy.config import FleetConfig
from fleetpy.errors import ConfigError
from fleetpy_api.listen import describe, passed_sockets
try:
    for listener in passed_sockets(os.environ):
        print(listener.family.name, describe(listener), listener.get_inheritable())
except ConfigError as error:
    print(error)
"""


@pytest.fixture
def unix(tmp_path: Path) -> Iterator[socket.socket]:
    with open_socket(tmp_path / "fleet.sock") as listener:
        yield listener


@pytest.fixture
def tcp() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def pass_to_child(*sockets: socket.socket, count: int | None = None, names: str = "") -> list[str]:
    """What a process that systemd had started with these sockets makes of them."""
    # Descriptors from 3 on, as systemd passes them; the shell moves them there.
    inherited = [os.dup(one.fileno()) for one in sockets]
    moves = " ".join(f"{3 + index}<&{descriptor}" for index, descriptor in enumerate(inherited))
    try:
        done = subprocess.run(  # noqa: S603 - the test's own command
            ["/bin/bash", "-c", f'exec {moves}; exec "$0" -c "$1"', sys.executable, PASSED],
            check=True,
            capture_output=True,
            text=True,
            pass_fds=inherited,
            env={"LISTEN_FDS": str(len(sockets) if count is None else count), "LISTEN_FDNAMES": names},
        )
    finally:
        for descriptor in inherited:
            os.close(descriptor)
    return done.stdout.splitlines()


def test_a_socket_by_hand_is_for_root_and_its_group_alone(tmp_path: Path, unix: socket.socket) -> None:
    assert stat.S_IMODE((tmp_path / "fleet.sock").stat().st_mode) == 0o660
    assert describe(unix) == str(tmp_path / "fleet.sock")


def test_a_socket_that_nobody_answers_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sock"
    open_socket(path).close()
    with open_socket(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_that_somebody_answers_on_is_left_alone(tmp_path: Path, unix: socket.socket) -> None:
    with pytest.raises(UnavailableError, match="another process answers there"):
        open_socket(tmp_path / "fleet.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(unix.getsockname())


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sock"
    path.write_text("mine")
    with pytest.raises(UnavailableError, match="it exists and is not a socket"):
        open_socket(path)
    assert path.read_text() == "mine"


def test_a_place_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot listen on .*/missing/fleet.sock"):
        open_socket(tmp_path / "missing" / "fleet.sock")


def test_systemds_sockets_are_taken_over_all_of_them(unix: socket.socket, tcp: socket.socket) -> None:
    assert pass_to_child(unix, tcp, names="api:tcp") == [
        f"AF_UNIX {describe(unix)} False",
        f"AF_INET {describe(tcp)} False",
    ]


def test_a_datagram_socket_is_refused_by_its_name() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert pass_to_child(datagrams, names="odd") == [
            "socket odd does not listen for streams: use ListenStream= and Accept=no"
        ]


def test_a_connection_of_an_accepting_socket_unit_is_refused() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert "Accept=no" in pass_to_child(one)[0]


def test_a_descriptor_that_is_not_there_is_refused() -> None:
    assert pass_to_child(count=1) == ["file descriptor 3 (unnamed) cannot be used: Bad file descriptor"]


@pytest.mark.parametrize("environ", [{}, {"LISTEN_FDS": "2"}, {"LISTEN_FDS": "2", "LISTEN_PID": "1"}])
def test_sockets_for_somebody_else_are_none_of_ours(environ: dict[str, str]) -> None:
    assert passed_sockets(environ) == []


@pytest.mark.parametrize("count", ["", "-1", "1.0", "²", "٣", "9" * 5000])
def test_a_number_of_sockets_that_is_none_is_no_sockets(count: str) -> None:
    assert passed_sockets({"LISTEN_FDS": count, "LISTEN_PID": str(os.getpid())}) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3"])
def test_tcp_on_loopback_may_be_listened_on(host: str) -> None:
    with socket.create_server((host, 0)) as listener:
        check_reach([listener], FleetConfig())


@pytest.mark.parametrize(
    ("host", "loopback"), [("::1", True), ("127.0.0.1", True), ("::", False), ("fe80::1%eth0", False)]
)
def test_what_loopback_is(host: str, loopback: bool) -> None:  # noqa: FBT001 - a case's expectation
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - what must be refused
def test_tcp_that_others_can_reach_is_refused_unless_clients_show_certificates_or_the_config_says_so(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        with pytest.raises(ConfigError, match=r"root on every host\. Set api_certfile, api_keyfile and api_cafile to"):
            check_reach([listener], FleetConfig())
        with pytest.raises(ConfigError, match=r"Set api_cafile to serve .* or set api_insecure_tcp=true"):
            check_reach([listener], FleetConfig(api_certfile="c", api_keyfile="k"))
        check_reach([listener], FleetConfig(api_certfile="c", api_keyfile="k", api_cafile="a"))
        check_reach([listener], FleetConfig(api_insecure_tcp=True))
