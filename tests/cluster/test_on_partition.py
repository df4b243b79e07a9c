"""`OnPartition=stop` on real hosts: such a unit never runs twice, whatever befalls its host or the agent there.

Each copy writes down when it starts and when it has stopped, by the clock that all the hosts of a lab share
(`CLOCK_BOOTTIME`, the first number in /proc/uptime).
"""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from fleetpy_agent.lease_guard import boot_time
from tests.support.cluster import HOSTS, PATIENCE, Cluster, sleeper

LOG = "/var/lib/once"
STAMPS = f"""[Service]
ExecStartPre=/bin/sh -c 'echo "start $(cut -d" " -f1 /proc/uptime)" >>{LOG}'
ExecStart=/bin/sleep infinity
ExecStopPost=/bin/sh -c 'echo "stop $(cut -d" " -f1 /proc/uptime)" >>{LOG}'
[X-Fleet]
OnPartition=stop
"""
ONCE, KEPT = "once.service", "kept.service"
LEASE = 8.0
"""Seconds that a machine's lease runs on after its last renewal, with the default `agent_ttl`."""


def runs(cluster: Cluster, host: str) -> list[tuple[float, float]]:
    """When copies of the unit ran on that host: from when to when, for ever if it does so still."""
    lines = cluster.lab.exec(host, "cat", LOG).stdout.splitlines()
    found: list[tuple[float, float]] = []
    for word, stamp in (line.split() for line in lines):
        if word == "start":
            found.append((float(stamp), float("inf")))
        else:
            found[-1] = (found[-1][0], float(stamp))
    return found


def assert_never_twice(cluster: Cluster) -> None:
    every = sorted(run for host in HOSTS for run in runs(cluster, host))
    for (_, end), (start, _) in pairwise(every):
        assert end <= start, every


def started(cluster: Cluster, *also: str) -> str:
    """Start the unit and others beside it; the host that it is on."""
    for host in HOSTS:
        cluster.lab.exec(host, "rm", "-f", LOG, check=True)
    cluster.write(ONCE, STAMPS)
    for name in also:
        cluster.write(name, sleeper(f"MachineOf={ONCE}"))
    cluster.fleetctl("start", ONCE, *also)
    return cluster.running()[ONCE]


def until_stopped(cluster: Cluster, host: str) -> float:
    """Wait until the first copy of the unit there has stopped; when it did."""
    cluster.lab.wait_until(lambda: runs(cluster, host)[0][1] < float("inf"), PATIENCE, f"{ONCE} is stopped on {host}")
    return runs(cluster, host)[0][1]


def test_a_host_that_is_cut_off_stops_it_before_it_starts_elsewhere(cluster: Cluster) -> None:
    lonely = started(cluster, KEPT)
    kept = cluster.main_pid(lonely, KEPT)
    began = boot_time()
    cluster.lab.partition(lonely)
    stopped = until_stopped(cluster, lonely)
    assert LEASE / 2 < stopped - began < LEASE + 2
    others = [host for host in HOSTS if host != lonely]
    cluster.lab.wait_until(
        lambda: any(cluster.active_on(host, ONCE) for host in others), PATIENCE, "it runs on the other side"
    )
    assert cluster.active_on(lonely, ONCE) == set()
    assert cluster.main_pid(lonely, KEPT) == kept
    cluster.lab.heal(lonely)
    cluster.until_machines(*HOSTS)
    cluster.lab.wait_until(lambda: cluster.running().get(ONCE) in others, PATIENCE, "it runs there and nowhere else")
    assert len(runs(cluster, lonely)) == 1
    assert_never_twice(cluster)


def test_a_short_cut_stops_nothing_and_one_that_ends_before_it_moved_starts_it_again_where_it_was(
    cluster: Cluster,
) -> None:
    host = started(cluster, KEPT)
    pid, kept = cluster.main_pid(host, ONCE), cluster.main_pid(host, KEPT)
    cluster.lab.partition(host)
    time.sleep(2)  # As long as a cut that matters to nobody.
    cluster.lab.heal(host)
    cluster.until_running({ONCE: host, KEPT: host})
    assert cluster.main_pid(host, ONCE) == pid
    cluster.lab.partition(host)
    until_stopped(cluster, host)
    cluster.lab.heal(host)
    cluster.lab.wait_until(lambda: cluster.active_on(host, ONCE), PATIENCE, "it is started again")
    cluster.until_running({ONCE: host, KEPT: host})
    assert cluster.main_pid(host, KEPT) == kept
    assert len(runs(cluster, host)) == 2
    assert_never_twice(cluster)


@pytest.mark.parametrize("what", ["stop", "kill --signal=STOP"])
def test_without_an_agent_it_stops_and_runs_elsewhere(cluster: Cluster, what: str) -> None:
    host = started(cluster)
    cluster.lab.exec(host, "systemctl", *what.split(), "fleet-agent.service", check=True)
    others = [other for other in HOSTS if other != host]
    try:
        cluster.lab.wait_until(
            lambda: any(cluster.active_on(other, ONCE) for other in others), PATIENCE, "it runs elsewhere"
        )
        assert cluster.active_on(host, ONCE) == set()
        assert_never_twice(cluster)
    finally:
        cluster.lab.exec(host, "systemctl", "kill", "--signal=CONT", "fleet-agent.service")
        cluster.lab.exec(host, "systemctl", "start", "fleet-agent.service", check=True)
    cluster.until_machines(*HOSTS)
    assert_never_twice(cluster)


def test_restarting_or_killing_the_agent_does_not_stop_it(cluster: Cluster) -> None:
    host = started(cluster)
    pid = cluster.main_pid(host, ONCE)
    cluster.lab.exec(host, "systemctl", "restart", "fleet-agent.service", check=True)
    cluster.lab.exec(host, "systemctl", "kill", "--signal=KILL", "fleet-agent.service", check=True)
    time.sleep(LEASE + 2)  # By now it would have been stopped.
    assert cluster.main_pid(host, ONCE) == pid
    assert runs(cluster, host) == [(runs(cluster, host)[0][0], float("inf"))]


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_a_guard_that_is_killed_or_frozen_takes_it_along_and_both_are_started_again(
    cluster: Cluster, signal: str
) -> None:
    host = started(cluster)
    began = boot_time()
    cluster.lab.exec(host, "systemctl", "kill", f"--signal={signal}", "fleet-lease.service", check=True)
    assert until_stopped(cluster, host) - began < 4
    cluster.lab.wait_until(lambda: cluster.active_on(host, ONCE), PATIENCE, "it is started again")
    assert cluster.running() == {ONCE: host}


def test_a_unit_that_takes_its_time_is_killed_before_it_may_run_elsewhere(cluster: Cluster) -> None:
    stubborn = STAMPS.replace("/bin/sleep infinity", "/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'")
    for host in HOSTS:
        cluster.lab.exec(host, "rm", "-f", LOG, check=True)
    cluster.write(ONCE, stubborn.replace("[Service]\n", "[Service]\nTimeoutStopSec=infinity\nKillMode=process\n"))
    cluster.fleetctl("start", ONCE)
    host = cluster.running()[ONCE]
    cluster.lab.partition(host)
    cluster.lab.wait_until(
        lambda: any(cluster.active_on(other, ONCE) for other in HOSTS if other != host), PATIENCE, "it runs elsewhere"
    )
    assert len(runs(cluster, host)) == 1
    assert_never_twice(cluster)
    # When nothing is wrong, its unit file is obeyed: it would never stop.
    cluster.lab.exec(cluster.running()[ONCE], "systemctl", "kill", "--signal=KILL", ONCE, check=True)


def test_the_guard_leaves_with_the_last_unit_that_needs_it(cluster: Cluster) -> None:
    host = started(cluster)
    assert cluster.active_on(host, "fleet-lease.service")
    cluster.fleetctl("destroy", ONCE)
    cluster.lab.wait_until(
        lambda: cluster.lab.exec(host, "systemctl", "is-active", "fleet-lease.service").stdout.strip() == "inactive",
        PATIENCE,
        "the guard has left",
    )


def test_a_host_that_was_frozen_for_long_stops_its_stale_copy_at_once(cluster: Cluster) -> None:
    host = started(cluster)
    cluster.lab.pause(host)
    others = [other for other in HOSTS if other != host]
    cluster.lab.wait_until(
        lambda: any(cluster.active_on(other, ONCE) for other in others), PATIENCE, "it runs elsewhere"
    )
    thawed = boot_time()
    cluster.lab.resume(host)
    assert until_stopped(cluster, host) - thawed < 2
