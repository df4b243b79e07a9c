"""All of fleet with an etcd that wants TLS, client certificates and a password, on its old port 4001 alone.

What fleet knows of it comes from the original's options in fleet.conf: three endpoints, of which one after another is
dead, or swallows what is sent to it. Tokens are forgotten after 10 s, which each of these tests outlasts.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import HOSTS, Cluster, sleeper
from tests.support.shared_lab import SharedLab

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = ("fleet-agent.service", "fleet-scheduler.service", "fleet-api.service")


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[SharedLab]:
    """In place of the hosts that other tests use: three whose etcd wants certificates and a password."""
    with SharedLab(secure_etcd=True) as shared:
        yield shared


def registrations(cluster: Cluster, *hosts: str) -> dict[str, tuple[int, int]]:
    """For each of these hosts, the revision at which its machine's key was created, and the key's lease."""
    asked = cluster.said(hosts[0], "etcdctl", "get", "--prefix", "--write-out=json", "/fleetpy/v1/machines/")
    keys = json.loads(asked).get("kvs", [])
    ids = {cluster.lab.host(host).machine_id: host for host in hosts}
    found = {json.loads(_text(key["value"]))["id"]: (key["create_revision"], key["lease"]) for key in keys}
    return {ids[machine]: what for machine, what in found.items() if machine in ids}


def _text(encoded: str) -> bytes:
    return base64.b64decode(encoded)


def refused(cluster: Cluster, key: str, **environment: str) -> str:
    """What etcdctl says when it is not given that key, with these variables."""
    told = cluster.lab.exec("host1", "etcdctl", "get", key, environment=environment)
    assert told.returncode != 0, told.stdout
    return told.stderr


def journal(cluster: Cluster, host: str) -> str:
    """Everything that fleet's services have logged there."""
    return cluster.said(host, "journalctl", "--no-pager", *(f"--unit={service}" for service in SERVICES))


def test_units_start_and_move_where_etcd_asks_for_a_certificate_and_a_password(cluster: Cluster) -> None:
    assert refused(cluster, "/fleetpy/v1/", ETCDCTL_CERT="", ETCDCTL_KEY="")
    # Without a user it is the certificate's name that counts, which etcd knows nothing of.
    assert "permission denied" in refused(cluster, "/fleetpy/v1/", ETCDCTL_USER="")
    assert "permission denied" in refused(cluster, "/elsewhere", ETCDCTL_USER="fleet:fleet-lab")
    assert ":2379" not in cluster.said("host1", "ss", "--listening", "--tcp", "--numeric")
    names = [cluster.write(f"one-{number}.service") for number in range(3)]
    cluster.write("every.service", sleeper("Global=true"))
    cluster.fleetctl("start", *names, "every.service")
    before = cluster.running()
    assert sorted(before[name] for name in names) == list(HOSTS)
    lost = cluster.leader()
    others = [host for host in HOSTS if host != lost]
    registered = registrations(cluster, *others)
    cluster.lab.kill(lost)
    cluster.lab.wait_until(
        lambda: set(cluster.running().values()) <= {*others, ",".join(others)} and len(cluster.running()) == 4,
        60,
        "all of it runs on the other two",
    )
    cluster.fleetctl("start", cluster.write("late.service"))
    cluster.fleetctl("destroy", *names)
    assert registrations(cluster, *others) == registered
    for host in others:
        assert "etcd_username" not in journal(cluster, host)


def test_an_endpoint_that_swallows_everything_and_a_dead_one_cost_no_lease_and_no_unit(cluster: Cluster) -> None:
    """Of the three that each host knows, in the end only host3's answers; host1's own agent asks host1 first."""
    names = [cluster.write(f"one-{number}.service") for number in range(3)]
    cluster.fleetctl("start", *names)
    before = cluster.running()
    registered = registrations(cluster, *HOSTS)
    rule = ("INPUT", "--protocol", "tcp", "--dport", "4001", "--jump", "DROP")
    cluster.lab.exec("host1", "iptables", "--append", *rule, check=True)
    try:
        # As long as a lease lasts, with its last renewal just before.
        cluster.lab.exec("host1", "sleep", "10", check=True)
        assert registrations(cluster, "host3", "host2", "host1") == registered
        assert cluster.running() == before
        cluster.fleetctl("start", cluster.write("late.service"), host="host1")
        cluster.lab.kill("host2")
        cluster.lab.wait_until(
            lambda: set(cluster.running().values()) == {"host1", "host3"} and len(cluster.running()) == 4,
            60,
            "all of it runs on the other two",
        )
        left = {host: what for host, what in registered.items() if host != "host2"}
        assert registrations(cluster, "host3", "host1") == left
        cluster.fleetctl("destroy", *names, host="host1")
    finally:
        cluster.lab.exec("host1", "iptables", "--delete", *rule, check=True)
