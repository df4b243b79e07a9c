"""What operators do to machines: drain them for repairs, give up those that the brake holds."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import httpx
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


def test_when_most_machines_vanish_at_once_their_units_wait_until_an_operator_gives_them_up(large: Cluster) -> None:
    names = [large.write(f"web-{number}.service") for number in range(5)]
    large.fleetctl("start", *names)
    before = large.running()
    assert set(before.values()) == {"host1", "host2", "host3", "host4", "host5"}
    assert large.fleetctl("brake").stdout.startswith("The brake is off")
    silent = ("host3", "host4", "host5")
    ids = {host: large.lab.host(host).machine_id for host in silent}
    for host in silent:
        large.lab.exec(host, "systemctl", "stop", "fleet-agent.service", check=True)

    def held() -> set[str]:
        return {line.partition("\t")[0] for line in large.fleetctl("brake").stdout.splitlines()[2:]}

    large.lab.wait_until(lambda: held() == set(ids.values()), PATIENCE, "the brake holds the silent machines")
    still = {unit: host for unit, host in before.items() if host not in silent}
    (given_up,) = (unit for unit, host in before.items() if host == "host3")
    assert large.running() == still
    assert "3 of 5 machines vanished at once" in large.explain(given_up)
    large.fleetctl("brake", "--release", "--machine", ids["host3"][:8])
    large.lab.wait_until(lambda: large.running().keys() == {*still, given_up}, PATIENCE, "it runs elsewhere")
    assert large.running()[given_up] in {"host1", "host2"}
    assert held() == {ids["host4"], ids["host5"]}
    elsewhere = large.running()[given_up]
    for host in silent:
        large.lab.exec(host, "systemctl", "start", "fleet-agent.service", check=True)
    large.until_running({**before, given_up: elsewhere})
    large.lab.wait_until(lambda: not large.active_on("host3", given_up), PATIENCE, "the stale copy is stopped")
    large.lab.wait_until(lambda: not held(), PATIENCE, "the brake is off")


def test_the_host_of_the_leading_scheduler_tells_its_metrics(cluster: Cluster) -> None:
    cluster.fleetctl("start", cluster.write("hello.service"))
    leader = cluster.leader()
    for host in HOSTS:
        path = cluster.lab.endpoint(host).removeprefix("unix://")
        with httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://fleet", timeout=PATIENCE) as client:
            told = client.get("/metrics").text
        (since,) = re.findall(r"^fleet_engine_leader_start_time (\S+)$", told, re.MULTILINE)
        assert (float(since) > 0) == (host == leader), host
        assert "fleet_cluster_units 1.0" in told
