"""The example units that run containers, on hosts that have real engines inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import HOSTS, PATIENCE, Cluster
from tests.support.shared_lab import SharedLab

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "units" / "examples"
DOCKER, PODMAN, NSPAWN = UNITS = ("docker-web.service", "podman-web.service", "nspawn-web.service")
PORTS = {DOCKER: 8091, PODMAN: 8092, NSPAWN: 8093}
CONTAINERS = {
    DOCKER: ("docker", "ps", "--format={{.Names}}"),
    PODMAN: ("podman", "ps", "--format={{.Names}}"),
    NSPAWN: ("sh", "-c", "ps -C systemd-nspawn -o args= | sed 's/.*--machine=//; s/ .*//'"),
}
"""What lists the containers of an engine that run."""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode().strip())"


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[SharedLab]:
    """In place of the hosts that other tests use: three with engines."""
    with SharedLab(engines=True) as shared:
        yield shared


def example(unit: str) -> str:
    return (EXAMPLES / unit).read_text()


def containers(cluster: Cluster, host: str) -> list[str]:
    """Every container that runs on that host, of whichever engine."""
    return [name for command in CONTAINERS.values() for name in cluster.said(host, *command).split()]


def greeting(cluster: Cluster, host: str, unit: str) -> str:
    """What the unit's web server on that host says to another; nothing if it does not answer."""
    other = next(name for name in HOSTS if name != host and name in cluster.machines())
    address = f"http://{cluster.lab.host(host).address}:{PORTS[unit]}/"
    return cluster.said(other, "python3", "-c", ASK, address, check=False).strip()


def until_it_greets(cluster: Cluster, host: str, unit: str) -> None:
    wanted = f"Hello from a container on {host}"
    cluster.lab.wait_until(lambda: greeting(cluster, host, unit) == wanted, PATIENCE, f"{unit} on {host} answers")


def until_gone(cluster: Cluster, host: str) -> None:
    cluster.lab.wait_until(lambda: containers(cluster, host) == [], PATIENCE, f"no container runs on {host}")


def kill_and_await_another(cluster: Cluster, host: str, unit: str) -> None:
    """Kill what runs or watches over the unit's container, and wait until there is another."""
    first = cluster.main_pid(host, unit)
    cluster.signal(host, unit, "KILL")
    cluster.lab.wait_until(
        lambda: cluster.main_pid(host, unit) not in (0, first), PATIENCE, f"{unit} is started again on {host}"
    )


def test_a_container_runs_as_long_as_its_unit(cluster: Cluster) -> None:
    for unit in UNITS:
        cluster.write(unit, example(unit))
    cluster.fleetctl("start", *UNITS)
    places = cluster.running()
    assert set(places) == set(UNITS)
    for unit, host in places.items():
        until_it_greets(cluster, host, unit)
        assert containers(cluster, host) == [unit.removesuffix(".service")]
    cluster.fleetctl("stop", *UNITS)
    told = cluster.fleetctl("list-units", "--no-legend", "--fields=unit,active").stdout
    assert dict(line.split("\t") for line in told.splitlines()) == dict.fromkeys(UNITS, "inactive")
    for host in HOSTS:
        assert containers(cluster, host) == []


def test_a_container_that_is_killed_is_started_again_and_one_that_is_destroyed_is_not(cluster: Cluster) -> None:
    for unit in UNITS:
        cluster.write(unit, example(unit))
    cluster.fleetctl("start", *UNITS)
    places = cluster.running()
    for unit, host in places.items():
        until_it_greets(cluster, host, unit)
        kill_and_await_another(cluster, host, unit)
        until_it_greets(cluster, host, unit)
    cluster.fleetctl("destroy", *UNITS)
    for host in HOSTS:
        assert containers(cluster, host) == []


def test_containers_of_a_dead_host_come_up_on_another_and_not_again_where_they_were(cluster: Cluster) -> None:
    cluster.write(DOCKER, example(DOCKER))
    for unit in (PODMAN, NSPAWN):
        cluster.write(unit, f"{example(unit)}[X-Fleet]\nMachineOf={DOCKER}\n")
    cluster.fleetctl("start", *UNITS)
    dead = cluster.running()[DOCKER]
    for unit in UNITS:
        until_it_greets(cluster, dead, unit)
    cluster.lab.kill(dead)
    left = tuple(host for host in HOSTS if host != dead)
    cluster.until_machines(*left)
    cluster.lab.wait_until(lambda: set(cluster.running()) == set(UNITS), PATIENCE, "every unit runs elsewhere")
    places = cluster.running()
    assert len(set(places.values())) == 1
    for unit, host in places.items():
        assert host in left
        until_it_greets(cluster, host, unit)
    cluster.lab.restore()
    cluster.until_running(places)
    until_gone(cluster, dead)


def test_a_container_that_must_never_run_twice_is_gone_from_a_host_that_is_cut_off_before_it_runs_elsewhere(
    cluster: Cluster,
) -> None:
    """Even one that takes no notice of SIGTERM, as its first process does without --init, and has a minute for it."""
    stubborn = example(DOCKER).replace(" --init ", " ").replace("--time 5 ", "--time 60 ")
    assert "--init" not in stubborn.split()
    cluster.write(DOCKER, f"{stubborn}[X-Fleet]\nOnPartition=stop\n")
    cluster.fleetctl("start", DOCKER)
    lonely = cluster.running()[DOCKER]
    until_it_greets(cluster, lonely, DOCKER)
    cluster.lab.partition(lonely)
    until_gone(cluster, lonely)
    others = [host for host in HOSTS if host != lonely]
    assert [containers(cluster, host) for host in others] == [[], []]
    cluster.lab.wait_until(lambda: cluster.running().get(DOCKER) in others, PATIENCE, f"{DOCKER} runs elsewhere")
    until_it_greets(cluster, cluster.running()[DOCKER], DOCKER)
    cluster.lab.heal(lonely)
    cluster.until_machines(*HOSTS)
    assert containers(cluster, lonely) == []
