from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetpy.client.client import FleetClient
from fleetpy.config.file import parse_settings
from fleetpy.config.fleet import build_config
from fleetpy_lab.engine import ensure_engine
from fleetpy_lab.errors import LabError, LabUsageError
from fleetpy_lab.host import HostStatus
from fleetpy_lab.inventory import lab_names
from fleetpy_lab.lab import Lab
from fleetpy_lab.progress import Progress
from fleetpy_lab.running import CommandFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

HOSTS = ("host1", "host2", "host3")
AGAIN = 30.0


@pytest.fixture(scope="module")
def docker_engine() -> Iterator[docker.DockerClient]:
    client = ensure_engine(Progress())
    yield client
    client.close()


@pytest.fixture
def other_lab() -> Iterator[Lab]:
    other = Lab(f"test-{uuid.uuid4().hex[:8]}")
    try:
        yield other
    finally:
        other.down()
        other.close()


def etcd_members_healthy(lab: Lab, host: str) -> set[str]:
    """The members, by the address that they advertise, that answer with the cluster's agreement, asked from `host`."""
    told = lab.exec(host, "etcdctl", "--write-out=json", "endpoint", "health", "--cluster").stdout
    return {answer["endpoint"] for answer in json.loads(told) if answer["health"]}


def wait_for_all_of_etcd(lab: Lab) -> None:
    wanted = {f"http://{host.address}:{port}" for host in lab.hosts() if host.etcd for port in (2379, 4001)}
    lab.wait_until(lambda: etcd_members_healthy(lab, "host1") == wanted, AGAIN, "all of etcd agrees")


def test_hosts_run_systemd_and_everything_that_it_starts(lab: Lab) -> None:
    for host in HOSTS:
        assert lab.exec(host, "ps", "-p", "1", "-o", "comm=", check=True).stdout.strip() == "systemd"
        assert lab.exec(host, "systemctl", "is-system-running").stdout.strip() == "running"


def test_hosts_are_machines_of_their_own(lab: Lab) -> None:
    hosts = lab.hosts()
    assert [host.name for host in hosts] == list(HOSTS)
    assert len({host.machine_id for host in hosts}) == len({host.address for host in hosts}) == 3
    for host in hosts:
        assert lab.exec(host.name, "cat", "/etc/machine-id", check=True).stdout.strip() == host.machine_id
        assert lab.exec(host.name, "hostname", check=True).stdout.strip() == host.name


def test_every_host_is_a_member_of_etcd_on_both_client_ports(lab: Lab) -> None:
    wait_for_all_of_etcd(lab)


def test_fleet_is_configured_with_every_member_of_etcd_its_own_first(lab: Lab) -> None:
    addresses = [host.address for host in lab.hosts()]
    for host in lab.hosts():
        told = lab.exec(host.name, "cat", "/etc/fleet/fleet.conf", check=True).stdout
        config = build_config(parse_settings(told, "fleet.conf"))
        own_first = [host.address, *(address for address in addresses if address != host.address)]
        assert config.etcd_servers == tuple(f"http://{address}:2379" for address in own_first)
        assert config.public_ip == host.address
        assert config.metadata == {}


def test_hosts_reach_each_other_by_ssh_without_a_question(lab: Lab) -> None:
    for user in ("root", "core"):
        there = lab.exec("host1", "ssh", "-o", "BatchMode=yes", f"{user}@{lab.host('host2').address}", "hostname")
        assert (there.returncode, there.stdout.strip()) == (0, "host2")


def test_the_api_is_reached_from_outside_at_every_host(lab: Lab) -> None:
    wanted = {host.machine_id for host in lab.hosts()}
    for host in HOSTS:
        with FleetClient(lab.endpoint(host)) as cluster:
            assert {machine.id for machine in cluster.machines().machines} == wanted


def test_a_killed_host_is_dead_and_comes_back_as_the_same_machine(lab: Lab) -> None:
    before = lab.host("host2")
    lab.put("host2", "/root/note", "kept")
    lab.exec("host2", "touch", "/run/note", check=True)
    lab.kill("host2")
    assert lab.host("host2").status is HostStatus.DEAD
    lab.revive("host2")
    assert lab.host("host2") == before
    assert lab.exec("host2", "cat", "/etc/machine-id", "/root/note", check=True).stdout == f"{before.machine_id}\nkept"
    assert lab.exec("host2", "test", "-e", "/run/note").returncode == 1
    wait_for_all_of_etcd(lab)


def test_a_host_that_is_shut_down_from_within_is_dead_too(lab: Lab) -> None:
    lab.exec("host3", "systemctl", "poweroff")
    lab.wait_until(lambda: lab.host("host3").status is HostStatus.DEAD, AGAIN, "host3 shuts down")
    lab.revive("host3")
    assert lab.host("host3").status is HostStatus.RUNNING


def test_a_host_that_is_cut_off_runs_on_alone_until_it_is_healed(lab: Lab) -> None:
    address = lab.host("host3").address
    lab.partition("host3")
    assert lab.host("host3").status is HostStatus.PARTITIONED
    assert lab.exec("host1", "ping", "-c1", "-W1", address).returncode == 1
    assert lab.exec("host3", "systemctl", "is-active", "etcd.service").stdout.strip() == "active"
    lab.heal("host3")
    assert lab.host("host3").status is HostStatus.RUNNING
    assert lab.exec("host1", "ping", "-c1", "-W5", address).returncode == 0
    assert lab.exec("host1", "getent", "hosts", "host3", check=True).stdout.split()[0] == address
    wait_for_all_of_etcd(lab)


def test_a_paused_host_does_nothing_until_it_is_resumed(lab: Lab) -> None:
    lab.pause("host3")
    assert lab.host("host3").status is HostStatus.PAUSED
    with pytest.raises(LabUsageError, match="host3 is paused; `fleet-lab resume host3` brings it back"):
        lab.exec("host3", "true")
    lab.resume("host3")
    assert lab.exec("host3", "true").returncode == 0
    wait_for_all_of_etcd(lab)


def test_a_paused_host_can_be_killed(lab: Lab) -> None:
    lab.pause("host3")
    lab.kill("host3")
    assert lab.host("host3").status is HostStatus.DEAD


def test_everything_may_be_asked_for_twice(lab: Lab) -> None:
    for deed, status in (
        (lab.partition, HostStatus.PARTITIONED),
        (lab.heal, HostStatus.RUNNING),
        (lab.pause, HostStatus.PAUSED),
        (lab.resume, HostStatus.RUNNING),
        (lab.kill, HostStatus.DEAD),
        (lab.revive, HostStatus.RUNNING),
    ):
        deed("host2")
        deed("host2")
        assert lab.host("host2").status is status


def test_a_host_that_does_not_exist_is_named_beside_those_that_do(lab: Lab) -> None:
    with pytest.raises(LabUsageError, match=r"has no host host9; it has host1, host2, host3"):
        lab.kill("host9")


def test_a_command_that_fails_says_what_it_said(lab: Lab) -> None:
    with pytest.raises(CommandFailedError, match=r"cat /nowhere on host1 gave 1: .*No such file") as failure:
        lab.exec("host1", "cat", "/nowhere", check=True)
    assert failure.value.completed.returncode == 1


def test_a_command_that_takes_too_long_is_ended(lab: Lab) -> None:
    with pytest.raises(CommandFailedError, match=r"sleep 77 on host1 did not end within 0\.5 s"):
        lab.exec("host1", "sleep", "77", timeout=0.5)
    assert lab.exec("host1", "pgrep", "-f", "sleep 77$").returncode == 1


def test_up_brings_back_whatever_is_away(lab: Lab) -> None:
    before = lab.hosts()
    lab.kill("host1")
    lab.pause("host2")
    lab.partition("host3")
    lab.restore()
    assert lab.hosts() == before


def test_a_failed_up_leaves_nothing_behind(other_lab: Lab, docker_engine: docker.DockerClient) -> None:
    with pytest.raises(LabError, match=r"not within 0\.001 s"):
        other_lab.up(1, timeout=0.001)
    assert other_lab.hosts() == []
    assert not other_lab.directory.exists()
    assert other_lab.name not in lab_names(docker_engine)


def test_a_lab_grows_by_hosts_that_are_clients_of_etcd(other_lab: Lab) -> None:
    other_lab.up(1)
    hosts = other_lab.up(2, metadata={"host2": {"region": "eu"}})
    assert [(host.name, host.etcd) for host in hosts] == [("host1", True), ("host2", False)]
    with FleetClient(other_lab.endpoint("host2")) as cluster:
        assert [machine.metadata for machine in cluster.machines().machines if machine.hostname == "host2"] == [
            {"region": "eu"}
        ]


def test_fleet_lab_answers_in_json_and_with_a_commands_own_exit_code(lab: Lab) -> None:
    def fleet_lab(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("fleet-lab")), "--name", lab.name, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program

    assert [host["name"] for host in json.loads(fleet_lab("ls", "-o", "json").stdout)] == list(HOSTS)
    assert json.loads(fleet_lab("kill", "host3", "-o", "json").stdout)["status"] == "dead"
    gone = fleet_lab("exec", "host3", "true")
    assert (gone.returncode, gone.stderr) == (2, "fleet-lab: host3 is dead; `fleet-lab revive host3` brings it back\n")
    assert fleet_lab("exec", "host1", "--", "sh", "-c", "exit 7").returncode == 7
    told = json.loads(fleet_lab("exec", "-o", "json", "host1", "echo", "hi").stdout)
    assert told == {"host": "host1", "command": ["echo", "hi"], "code": 0, "stdout": "hi\n", "stderr": ""}
    assert fleet_lab("logs", "-n", "1", "host1").stdout.count("\n") == 1
    assert fleet_lab("endpoint", "host2").stdout.strip() == lab.endpoint("host2")
