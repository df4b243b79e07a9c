"""Machines that come, go, come back, lose etcd, or pretend to be another: what becomes of their units."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from fleetpy_lab.host import HostStatus
from fleetpy_lab.lab import Lab
from tests.support.cluster import HOSTS, PATIENCE, SLEEPER, Cluster, sleeper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GLOBAL = sleeper("Global=true")


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Cluster]:
    """A lab of its own, with one host."""
    lab = Lab(f"test-{uuid.uuid4().hex[:8]}")
    try:
        lab.up(1)
        yield Cluster(lab, tmp_path)
    finally:
        lab.down()
        lab.close()


def main_pids(cluster: Cluster, running: dict[str, str]) -> dict[tuple[str, str], int]:
    """The main process of each unit on each host."""
    return {(unit, host): cluster.main_pid(host, unit) for unit, hosts in running.items() for host in hosts.split(",")}


def set_machine_id(cluster: Cluster, host: str, machine: str) -> None:
    """Give a host an id, and let its agent find out."""
    cluster.lab.put(host, "/etc/machine-id", f"{machine}\n")
    cluster.lab.exec(host, "systemctl", "restart", "fleet-agent.service", check=True)


def test_a_dead_machines_units_move_together_to_the_free_one_and_no_other_unit_moves(cluster: Cluster) -> None:
    guards = [cluster.write(f"guard-{number}.service", sleeper("Conflicts=guard-*.service")) for number in range(2)]
    cluster.write("ping.service", sleeper("MachineOf=guard-1.service"))
    cluster.write("pong.service", sleeper("MachineOf=ping.service"))
    moving = ("guard-1.service", "ping.service", "pong.service")
    cluster.fleetctl("start", *guards, "ping.service", "pong.service")
    before = cluster.running()
    assert {before[name] for name in moving} == {before["guard-1.service"]}
    kept = main_pids(cluster, {"guard-0.service": before["guard-0.service"]})
    (free,) = set(HOSTS) - set(before.values())
    cluster.lab.kill(before["guard-1.service"])
    cluster.until_running({"guard-0.service": before["guard-0.service"], **dict.fromkeys(moving, free)})
    assert main_pids(cluster, {"guard-0.service": before["guard-0.service"]}) == kept


def test_a_machine_that_shuts_down_leaves_at_once_and_has_its_units_and_metadata_again_when_it_is_back(
    cluster: Cluster,
) -> None:
    names = [cluster.write(f"trio-{number}.service", sleeper("Conflicts=trio-*.service")) for number in range(3)]
    cluster.write("pinned.service", sleeper(f"MachineID={cluster.lab.host('host2').machine_id}"))
    cluster.set_metadata("host2", kept="yes")
    cluster.write("every.service", GLOBAL)
    cluster.fleetctl("start", *names, "pinned.service", "every.service")
    before = {unit: host for unit, host in cluster.running().items() if unit != "every.service"}
    cluster.until_running({**before, "every.service": ",".join(HOSTS)})
    others = {unit: host for unit, host in before.items() if host != "host2"}
    pids = main_pids(cluster, others)
    (waiting,) = set(names) - others.keys()
    cluster.lab.exec("host2", "systemctl", "poweroff")
    cluster.lab.wait_until(lambda: cluster.lab.host("host2").status is HostStatus.DEAD, PATIENCE, "host2 is off")
    assert cluster.machines() == {"host1", "host3"}
    assert cluster.running() == {**others, "every.service": "host1,host3"}
    assert "conflict" in cluster.explain(waiting)
    cluster.lab.revive("host2")
    cluster.until_running({**before, "every.service": ",".join(HOSTS)})
    assert main_pids(cluster, others) == pids
    shown = cluster.fleetctl("list-machines", "--no-legend", "--fields=hostname,metadata").stdout
    assert "host2\tkept=yes\n" in shown


def test_a_second_machine_of_one_id_is_refused_loudly_and_runs_nothing(cluster: Cluster) -> None:
    cluster.fleetctl("start", *(cluster.write(f"many-{number}.service") for number in range(6)))
    own, stolen = cluster.lab.host("host3").machine_id, cluster.lab.host("host1").machine_id
    try:
        set_machine_id(cluster, "host3", stolen)
        cluster.until_machines("host1", "host2")
        cluster.lab.wait_until(
            lambda: sorted(cluster.running().values()) == ["host1"] * 3 + ["host2"] * 3,
            PATIENCE,
            "all of them run on the other two",
        )
        cluster.lab.wait_until(
            lambda: (
                f"machine id {stolen} belongs to another live machine (host1)"
                # Without --merge it looks for a journal of the new id.
                in cluster.lab.exec("host3", "journalctl", "--merge", "--unit=fleet-agent.service").stdout
            ),
            PATIENCE,
            "its agent says so",
        )
        assert cluster.machines() == {"host1", "host2"}
    finally:
        set_machine_id(cluster, "host3", own)
    cluster.until_machines(*HOSTS)
    assert cluster.active_on("host3", *cluster.running()) == set()


def test_an_etcd_that_refuses_connections_changes_no_unit_whatever_is_wanted_of_it(cluster: Cluster) -> None:
    for kind, text in (("single", SLEEPER), ("global", GLOBAL)):
        cluster.write(f"{kind}@.service", text)
        cluster.fleetctl("submit", f"{kind}@submit.service")
        for command in ("load", "start"):
            cluster.fleetctl(command, "--no-block", f"{kind}@{command}.service")
    cluster.lab.wait_until(
        lambda: cluster.running().get("global@start.service") == ",".join(HOSTS), PATIENCE, "all of it runs"
    )
    running, placed = cluster.running(), cluster.placed()
    assert running.keys() == {"single@start.service", "global@start.service"}
    pids = main_pids(cluster, running)
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", "stop", "etcd.service", check=True)
    try:
        # As long as it takes for a lease to be long gone, by the clock of a host.
        cluster.lab.exec("host1", "sleep", "12", check=True)
        assert main_pids(cluster, running) == pids
        for service in ("fleet-agent.service", "fleet-scheduler.service", "fleet-api.service"):
            cluster.lab.exec("host1", "systemctl", "stop", service, check=True)
            shown = cluster.lab.exec("host1", "systemctl", "show", "--property=ActiveState,Result", service).stdout
            assert sorted(shown.split()) == ["ActiveState=inactive", "Result=success"]
    finally:
        for host in HOSTS:
            cluster.lab.exec(host, "systemctl", "start", "--no-block", "etcd.service", "fleet.target")
    cluster.lab.wait_until(lambda: cluster.fleetctl("list-units", check=False).returncode == 0, PATIENCE, "an answer")
    cluster.until_running(running)
    assert cluster.placed() == placed
    assert main_pids(cluster, running) == pids


def test_a_new_member_gets_what_waited_for_it(growing: Cluster) -> None:
    first = sleeper("Conflicts=twin-*.service")
    names = [growing.write(f"twin-{number}.service", first) for number in range(2)]
    growing.write("abroad.service", sleeper("MachineMetadata=region=eu"))
    growing.write("every.service", GLOBAL)
    growing.fleetctl("start", "--no-block", *names, "abroad.service", "every.service")
    growing.lab.wait_until(lambda: len(growing.running()) == 2, PATIENCE, "what can run runs")
    (here,) = growing.running().keys() & set(names)
    (waiting,) = set(names) - {here}
    pids = main_pids(growing, growing.running())
    growing.lab.up(2, metadata={"host2": {"region": "eu"}})
    growing.until_running({here: "host1", waiting: "host2", "abroad.service": "host2", "every.service": "host1,host2"})
    assert pids.items() <= main_pids(growing, growing.running()).items()
