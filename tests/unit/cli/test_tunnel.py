"""--tunnel: the API and the machines, reached through an SSH host; and fd-forward, its far end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetpy.errors import UsageError
from fleetpy_cli.openssh import Destination, parse_destination
from tests.support.fake_fleetd import M1, FakeFleetd
from tests.support.fake_ssh import FakeSSH, install_fake_ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    Fleetctl = Callable[..., Result]

FLEETCTL = str(Path(sys.executable).with_name("fleetctl"))
HELLO = "[Service]\nExecStart=/bin/sleep infinity\n"


@pytest.fixture
def ssh(tmp_path: Path) -> FakeSSH:
    return install_fake_ssh(tmp_path / "bin")


@pytest.fixture
def tunnelled(fleetctl: Fleetctl, ssh: FakeSSH) -> Iterator[Fleetctl]:
    """`fleetctl` through a bastion; nothing of the tunnel is left afterwards."""
    before = set(Path(tempfile.gettempdir()).glob("fleetctl-*"))
    yield lambda *arguments, **environment: fleetctl(
        *arguments, **{"FLEETCTL_TUNNEL": "bastion", **ssh.environment, **environment}
    )
    mine = {word.partition("=")[2] for call in ssh.calls() for word in call if word.startswith("ControlPath=")}
    left = set(Path(tempfile.gettempdir()).glob("fleetctl-*")) - before
    assert not [folder for folder in left if f"{folder}/master" in mine]


def plain(call: list[str]) -> list[str]:
    """A call without where the shared connection is, which is different each time."""
    return [word.partition("=")[0] if word.startswith("ControlPath=") else word for word in call]


SHARED = ["-T", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "ControlPath"]
HEAD = ["-o", "ConnectTimeout=10", "-l", "core"]


def test_a_socket_is_reached_by_fd_forward_on_the_far_side(
    tunnelled: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH, tmp_path: Path
) -> None:
    path = tmp_path / "far side.sock"
    with fleetd.serving(path):
        result = tunnelled("--endpoint", f"unix://{path}", "list-machines", "-o", "name")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.split() == sorted(fleetd.machines)
    master, forward, leave = ssh.calls()
    assert plain(master) == [
        *HEAD, *SHARED, "-o", "ControlMaster=yes", "-o", "ControlPersist=30", "--", "bastion", "true"
    ]  # fmt: skip
    assert plain(forward) == [*HEAD, *SHARED, "--", "bastion", f"fleetctl fd-forward '{path}'"]
    assert plain(leave) == ["-o", "ControlPath", "-q", "-O", "exit", "--", "bastion"]


def test_a_tcp_endpoint_is_reached_as_the_far_side_sees_it(
    tunnelled: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH
) -> None:
    with fleetd.serving_tcp() as endpoint:
        result = tunnelled("--endpoint", endpoint, "--tunnel", "root@bastion:2222", "list-machines", "-o", "name")
    assert (result.exit_code, result.stdout.split()) == (0, sorted(fleetd.machines))
    there = endpoint.removeprefix("http://")
    head = ["-o", "ConnectTimeout=10", "-l", "root", "-p", "2222"]
    assert plain(ssh.calls()[1]) == [*head, *SHARED, "-W", there, "--", "bastion"]


def test_starting_units_waits_for_them_through_the_tunnel(
    tunnelled: Fleetctl, fleetd: FakeFleetd, here: Path, tmp_path: Path
) -> None:
    (here / "hello.service").write_text(HELLO)
    path = tmp_path / "fleet.sock"
    with fleetd.serving(path):
        result = tunnelled("--endpoint", f"unix://{path}", "start", "hello.service")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Unit hello.service launched on " in result.stdout


def test_machines_are_reached_through_the_same_connection(
    tunnelled: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH, tmp_path: Path
) -> None:
    fleetd.add("hello.service", HELLO, "launched", M1)
    path = tmp_path / "fleet.sock"
    with fleetd.serving(path):
        assert tunnelled("--endpoint", f"unix://{path}", "ssh", "hello", "true").exit_code == 0
    *_, there, _leave = ssh.calls()
    assert there[:4] == HEAD
    assert there[4] == "-o"
    proxy = there[5].partition("=")[2]
    control = next(word for word in ssh.calls()[0] if word.startswith("ControlPath="))
    assert proxy == f"ssh {' '.join(HEAD)} {' '.join(SHARED[:-1])} {control} -W '[%h]:%p' -- bastion"
    assert there[6:] == ["--", "172.18.0.3", "true"]
    assert sum("ControlMaster=yes" in call for call in ssh.calls()) == 1


def test_a_tunnel_that_cannot_be_opened_is_told(tunnelled: Fleetctl) -> None:
    result = tunnelled("list-machines", FAKE_SSH_DEAD="bastion")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the tunnel through core@bastion could not be opened; ssh said why.")


def test_an_api_that_is_not_at_the_far_side_is_told_with_the_way(tunnelled: Fleetctl, tmp_path: Path) -> None:
    result = tunnelled("--endpoint", f"unix://{tmp_path}/none.sock", "list-machines")
    assert result.exit_code == 1
    assert f"unix://{tmp_path}/none.sock through core@bastion" in result.stderr


def test_without_openssh_there_is_no_tunnel(tunnelled: Fleetctl, ssh: FakeSSH) -> None:
    (ssh.folder / "ssh").unlink()
    result = tunnelled("list-machines", PATH=str(ssh.folder))
    assert (result.exit_code, "the program ssh cannot be run here" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("host", Destination("core", "host")),
        ("192.0.2.1:2222", Destination("core", "192.0.2.1", 2222)),
        ("root@my-host.example", Destination("root", "my-host.example")),
        ("2001:db8::1", Destination("core", "2001:db8::1")),
        ("me@[2001:db8::1]:22", Destination("me", "2001:db8::1", 22)),
    ],
)
def test_where_a_tunnel_goes_through(text: str, destination: Destination) -> None:
    assert parse_destination(text, "core") == destination
    again = parse_destination(str(destination), "core")
    assert again == destination


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "a b", "host:", "host:0", "host:70000", "@host", "[host"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_destination(text, "core")


def fd_forward(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [FLEETCTL, "fd-forward", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.settimeout(30)
        listening.bind(str(tmp_path / "some.sock"))
        listening.listen()
        yield listening


def test_fd_forward_carries_bytes_both_ways_and_the_end_of_its_input(listener: socket.socket) -> None:
    sent = bytes(range(256)) * 400  # less than the pipes on the way hold
    with fd_forward(Path(listener.getsockname())) as process:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as incoming:
            assert process.stdin is not None
            process.stdin.write(sent)
            process.stdin.close()
            process.stdin = None
            assert incoming.read() == sent  # to its end
            connection.sendall(b"answer")
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"answer", b"")


def test_fd_forward_ends_when_nobody_reads_its_output_any_more(listener: socket.socket) -> None:
    with fd_forward(Path(listener.getsockname())) as process:
        connection, _ = listener.accept()
        with connection:
            assert process.stdout is not None
            process.stdout.close()
            assert process.wait(30) == 0
            assert connection.recv(1) == b""


def test_fd_forward_says_what_is_the_matter_with_the_socket(tmp_path: Path) -> None:
    with fd_forward(tmp_path / "none.sock") as process:
        out, err = process.communicate(timeout=30)
    said = f"Error: cannot connect to the socket {tmp_path}/none.sock: {os.strerror(2)}\n"
    assert (process.returncode, out, err.decode()) == (1, b"", said)
