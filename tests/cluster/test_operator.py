"""What operators do to machines: drain them for repairs, give up those that the brake holds."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from fleetpy_lab.lab import Lab
from tests.support.cluster import HOSTS, PATIENCE, Cluster, sleeper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Cluster]:
    """A lab of its own with five hosts: the fewest that the brake counts."""
    lab = Lab(f"test-{uuid.uuid4().hex[:8]}")
    try:
        lab.up(5)
        yield Cluster(lab, tmp_path)
    finally:
        lab.down()
        lab.close()


def test_a_drained_machine_is_empty_and_takes_units_again_when_it_is_uncordoned(cluster: Cluster) -> None:
    names = [cluster.write(f"web-{number}.service") for number in range(6)]
    cluster.fleetctl("start", *names, cluster.write("every.service", sleeper("Global=true")))
    cluster.lab.wait_until(lambda: cluster.running().get("every.service") == ",".join(HOSTS), PATIENCE, "it is all up")
    assert "host1" in cluster.running().values()
    told = cluster.fleetctl("drain", "host1").stdout
    assert "is drained, and takes no units until `fleetctl uncordon`" in told
    assert cluster.active_on("host1", *names, "every.service") == set()
    running = cluster.running()
    assert running.keys() == {*names, "every.service"}
    assert {host for hosts in running.values() for host in hosts.split(",")} == {"host2", "host3"}
    cluster.fleetctl("uncordon", "host1")
    cluster.lab.wait_until(lambda: cluster.running()["every.service"] == ",".join(HOSTS), PATIENCE, "it is back")
    cluster.fleetctl("start", cluster.write("new.service"))
    assert cluster.running()["new.service"] == "host1"


def test_when_most_machines_die_at_once_their_units_wait_until_an_operator_gives_them_up(large: Cluster) -> None:
    names = [large.write(f"web-{number}.service") for number in range(5)]
    large.fleetctl("start", *names)
    before = large.running()
    assert set(before.values()) == {"host1", "host2", "host3", "host4", "host5"}
    assert large.fleetctl("brake").stdout.startswith("The brake is off")
    dead = ("host3", "host4", "host5")
    ids = {large.lab.host(host).machine_id for host in dead}
    for host in dead:
        large.lab.kill(host)
    held: set[str] = set()

    def all_are_held() -> bool:
        nonlocal held
        held = {line.partition("\t")[0] for line in large.fleetctl("brake").stdout.splitlines()[2:]}
        return held >= ids

    large.lab.wait_until(all_are_held, PATIENCE, "the brake holds the dead machines")
    assert held == ids
    still = {unit: host for unit, host in before.items() if host not in dead}
    assert large.running() == still
    assert "3 of 5 machines vanished at once" in large.explain(next(iter(before.keys() - still.keys())))
    large.fleetctl("brake", "--release")
    large.lab.wait_until(lambda: large.running().keys() == set(names), PATIENCE, "everything runs on two hosts")
    assert {unit: large.running()[unit] for unit in still} == still
    assert large.fleetctl("brake").stdout.startswith("The brake is off")
