"""What operators do to machines: drain them for repairs, give up those that the brake holds."""

from __future__ import annotations

from tests.support.cluster import HOSTS, PATIENCE, Cluster, sleeper


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
