"""fleetctl by SSH: tunnels, shells, journals and statuses on real hosts, with the system's own OpenSSH."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import FLEETCTL, HOSTS, PATIENCE, Cluster, Completed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fleetpy_lab.lab import Lab

TALKER = "[Service]\nExecStart=/bin/sh -c 'echo it begins; while read -r line; do echo $line; done </run/talk'\n"
EVERYWHERE = "[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nGlobal=true\n"
TCP = "127.0.0.1:49153"


class Remote(Cluster):
    """The lab as somebody with a laptop has it: an SSH agent, no API nearby."""

    agent: str

    def over_ssh(self, *arguments: str, check: bool = True, **environment: str) -> Completed:
        """Run fleetctl here without saying where the API is."""
        completed = subprocess.run(  # noqa: S603 - our own program
            [FLEETCTL, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=2 * PATIENCE,
            stdin=subprocess.DEVNULL,
            env=self.environment(**environment),
        )
        if check and completed.returncode != 0:
            raise AssertionError(f"fleetctl {arguments} gave {completed.returncode}: {completed.stderr}")
        return completed

    def environment(self, **environment: str) -> dict[str, str]:
        """The agent that has the lab's key, and the file of host keys that the lab has."""
        keys = str(self.lab.directory / "known_hosts")
        return {**os.environ, "SSH_AUTH_SOCK": self.agent, "FLEETCTL_KNOWN_HOSTS_FILE": keys, **environment}

    def from_outside(self, *arguments: str, check: bool = True, **environment: str) -> Completed:
        """Run fleetctl here with a host's API at hand, SSH for the rest."""
        return self.over_ssh(*arguments, check=check, FLEETCTL_ENDPOINT=self.lab.endpoint(), **environment)

    def address(self, host: str) -> str:
        return self.lab.host(host).address

    def where(self, unit: str) -> str:
        """The host that a unit runs on."""
        return self.running()[unit]


@pytest.fixture
def agent(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """An SSH agent that has the lab's key; gives its socket."""
    path = str(tmp_path / "agent")
    with subprocess.Popen(["/usr/bin/ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:  # noqa: S603
        lab.wait_until(lambda: os.path.exists(path), PATIENCE, "the agent listens")  # noqa: PTH110 - a socket
        key = str(lab.directory / "id_ed25519")
        subprocess.run(  # noqa: S603 - of the system
            ["/usr/bin/ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": path}
        )
        yield path
        process.terminate()


@pytest.fixture
def remote(lab: Lab, agent: str, tmp_path: Path) -> Remote:
    folder = tmp_path / "units"
    folder.mkdir()
    cluster = Remote(lab, folder)
    cluster.agent = agent
    return cluster


def test_units_are_started_through_a_tunnel(remote: Remote) -> None:
    tunnel = f"--tunnel={remote.address('host1')}"
    remote.write("hello.service")
    assert "Unit hello.service launched on" in remote.over_ssh(tunnel, "start", "hello.service").stdout
    remote.write("hello@.service")
    many = [f"hello@{number}.service" for number in range(1, 11)]
    remote.over_ssh(tunnel, "start", *many)
    listed = remote.over_ssh(tunnel, "list-units", "--no-legend", "--fields=unit,active").stdout
    assert listed.splitlines() == [f"{unit}\tactive" for unit in sorted(["hello.service", *many])]
    assert remote.over_ssh("destroy", "hello*", FLEETCTL_TUNNEL=remote.address("host2")).returncode == 0


def test_a_tunnel_to_an_api_that_listens_on_tcp(remote: Remote) -> None:
    lab = remote.lab
    lab.exec(
        "host3",
        *("systemd-run", "--quiet", "--unit=tcp-api", f"--socket-property=ListenStream={TCP}"),
        *("/lib/systemd/systemd-socket-proxyd", "/run/fleet.sock"),
        check=True,
    )
    try:
        tunnel = f"--tunnel=root@{remote.address('host3')}:22"
        listed = remote.over_ssh(tunnel, f"--endpoint=http://{TCP}", "list-machines", "-o", "name").stdout
        assert set(listed.split()) == {host.machine_id for host in lab.hosts()}
    finally:
        lab.exec("host3", "systemctl", "stop", "tcp-api.socket", "tcp-api.service")


def test_machines_are_reached_through_the_tunnel(remote: Remote) -> None:
    remote.write("hello.service")
    tunnel = f"--tunnel={remote.address('host2')}"
    remote.over_ssh(tunnel, "start", "hello.service")
    place = remote.where("hello.service")
    assert remote.over_ssh(tunnel, "ssh", "hello.service", "hostname").stdout == f"{place}\n"
    assert "Active: active (running)" in remote.over_ssh(tunnel, "status", "hello.service").stdout
    came_from = remote.over_ssh(tunnel, "ssh", "--machine", remote.lab.host("host3").machine_id, "echo $SSH_CLIENT")
    assert came_from.stdout.split()[0] == remote.address("host2")


def test_nothing_of_a_tunnel_is_left(remote: Remote) -> None:
    remote.over_ssh(f"--tunnel={remote.address('host1')}", "list-machines")
    remote.lab.wait_until(
        lambda: remote.lab.exec("host1", "pgrep", "-f", "fleetctl [f]d-forward").returncode == 1,
        PATIENCE,
        "no fd-forward runs on host1",
    )


def test_a_shell_s_command_on_each_machine_as_core_or_root(remote: Remote) -> None:
    for host in HOSTS:
        machine = remote.lab.host(host).machine_id
        assert remote.from_outside("ssh", machine[:12], "hostname; whoami").stdout.split() == [host, "core"]
    machine = remote.lab.host("host1").machine_id
    assert remote.from_outside("--ssh-username=root", "ssh", machine, "--", "id", "-u").stdout == "0\n"
    assert remote.from_outside("ssh", machine, "exit", "7", check=False).returncode == 7


def test_the_agent_is_forwarded_when_it_is_asked_for(remote: Remote) -> None:
    machine = remote.lab.host("host2").machine_id
    assert "(ED25519)" in remote.from_outside("ssh", "-A", machine, "ssh-add", "-l").stdout
    assert remote.from_outside("ssh", machine, "ssh-add", "-l", check=False).returncode == 2


def test_a_host_has_to_prove_who_it_is(remote: Remote, tmp_path: Path) -> None:
    unknown = f"--known-hosts-file={tmp_path}/new/known_hosts"
    tunnel = f"--tunnel={remote.address('host1')}"
    refused = remote.over_ssh(tunnel, "--strict-host-key-checking", unknown, "list-machines", check=False)
    assert refused.returncode == 1
    assert "Host key verification failed" in refused.stderr
    trusting = remote.over_ssh(tunnel, "--strict-host-key-checking=false", unknown, "list-machines")
    assert trusting.stderr == ""


def test_the_journal_and_the_status_of_a_unit_elsewhere(remote: Remote) -> None:
    remote.write("murmur.service", "[Service]\nExecStart=/bin/sh -c 'echo it begins; exec sleep infinity'\n")
    remote.from_outside("start", "murmur.service")
    journal = remote.from_outside("journal", "--lines=20", "--output=cat", "murmur").stdout
    assert "it begins" in journal.splitlines()
    assert remote.from_outside("journal", "--sudo", "--output=cat", "murmur").stdout == journal
    assert "Active: active (running)" in remote.from_outside("status", "murmur.service").stdout
    remote.from_outside("stop", "murmur.service")
    stopped = remote.from_outside("status", "murmur.service", check=False)
    assert (stopped.returncode, "Active: inactive (dead)" in stopped.stdout) == (3, True)


def test_a_journal_that_is_followed_shows_what_comes_and_ends_on_the_host_too(remote: Remote) -> None:
    remote.write("talker.service", f"{TALKER}ExecStartPre=/bin/sh -c 'test -p /run/talk || mkfifo /run/talk'\n")
    remote.from_outside("start", "talker.service")
    place = remote.where("talker.service")
    command = [FLEETCTL, "journal", "-f", "--output=cat", "talker"]
    environment = remote.environment(FLEETCTL_ENDPOINT=remote.lab.endpoint())
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as following:  # noqa: S603
        assert following.stdout is not None
        lines = iter(following.stdout.readline, "")
        assert "it begins\n" in lines
        remote.lab.exec(place, "sh", "-c", "echo and goes on >/run/talk", check=True)
        assert "and goes on\n" in lines
        following.terminate()
    remote.lab.wait_until(
        lambda: remote.lab.exec(place, "pgrep", "journalctl").returncode == 1, PATIENCE, "journalctl ends"
    )


def test_on_the_unit_s_own_host_no_ssh_is_needed(remote: Remote) -> None:
    remote.write("hello.service")
    remote.fleetctl("start", "hello.service")
    place = remote.where("hello.service")
    elsewhere = next(host for host in HOSTS if host != place)
    as_nobody = ("--ssh-username", "nobody", "--ssh-timeout", "5", "status", "hello.service")
    assert remote.lab.exec(place, "fleetctl", *as_nobody).returncode == 0
    assert remote.lab.exec(elsewhere, "fleetctl", *as_nobody).returncode == 255
    assert remote.lab.exec(elsewhere, "fleetctl", "status", "hello.service").returncode == 0


def test_a_global_unit_s_status_is_that_of_every_machine(remote: Remote) -> None:
    remote.write("everywhere.service", EVERYWHERE)
    remote.fleetctl("start", "everywhere.service")
    remote.until_running({"everywhere.service": ",".join(HOSTS)})
    assert remote.from_outside("status", "everywhere").stdout.count("Active: active (running)") == len(HOSTS)
    assert remote.from_outside("journal", "everywhere", check=False).returncode == 1
    machine = remote.lab.host("host2").machine_id
    assert "host2" in remote.from_outside("journal", "everywhere", "--machine", machine[:10]).stdout
