"""`OnPartition=stop` on real hosts: such a unit never runs twice, whatever befalls its host or the agent there."""

from __future__ import annotations

import base64
import json
import time

import pytest

from fleetpy_agent.lease_guard import boot_time
from tests.support.cluster import HOSTS, PATIENCE, Cluster, sleeper
from tests.support.stamps import FOR_EVER, IGNORES_TERM, assert_never_twice, clear, runs, stamped

ONCE, STUBBORN, KEPT, GUARD = "once.service", "stubborn.service", "kept.service", "fleet-lease.service"
STOPS = "[X-Fleet]\nOnPartition=stop\n"
PYTHON = "/opt/fleetpy/bin/python3"
NEVER_STOPS = stamped(IGNORES_TERM, "TimeoutStopSec=infinity", "KillMode=process") + STOPS
LEASE = 8.0
"""Seconds that a machine's lease runs on after its last renewal, with the default `agent_ttl`."""
AT_ONCE, AT_ONCE_WITHOUT_A_GUARD = 1.0, 2.0
"""Seconds for stopping a stale copy after a thaw: what is bound to the guard, and what waits for the agent."""


def started(cluster: Cluster, *names: str, **beside: str) -> str:
    """Start units that write down when they run, and others `beside` the first one; the host that this is on."""
    clear(cluster)
    for name in names:
        cluster.write(name, stamped() + STOPS)
    for name, text in beside.items():
        cluster.write(f"{name}.service", f"{text}MachineOf={names[0]}\n")
    cluster.fleetctl("start", *names, *(f"{name}.service" for name in beside))
    return cluster.running()[names[0]]


def until_stopped(cluster: Cluster, host: str, unit: str = ONCE) -> float:
    """Wait until the first copy of the unit there has stopped; when it did."""
    cluster.lab.wait_until(lambda: runs(cluster, host, unit)[0][1] < FOR_EVER, PATIENCE, f"{unit} is stopped on {host}")
    return runs(cluster, host, unit)[0][1]


def until_elsewhere(cluster: Cluster, host: str, unit: str = ONCE) -> None:
    """Wait until the unit runs on another host, by that host's own systemd."""
    cluster.lab.wait_until(
        lambda: any(cluster.active_on(other, unit) for other in HOSTS if other != host),
        PATIENCE,
        f"{unit} runs elsewhere than on {host}",
    )


def test_a_host_that_is_cut_off_stops_it_or_kills_it_before_it_starts_elsewhere(cluster: Cluster) -> None:
    lonely = started(cluster, ONCE, kept=sleeper(), stubborn=NEVER_STOPS)
    kept = cluster.main_pid(lonely, KEPT)
    began = boot_time()
    cluster.lab.partition(lonely)
    assert LEASE / 2 < until_stopped(cluster, lonely) - began < LEASE + 2
    until_elsewhere(cluster, lonely, ONCE)
    until_elsewhere(cluster, lonely, STUBBORN)
    assert cluster.active_on(lonely, ONCE, STUBBORN) == set()
    assert cluster.main_pid(lonely, KEPT) == kept
    cluster.lab.heal(lonely)
    cluster.until_machines(*HOSTS)
    cluster.lab.wait_until(
        lambda: cluster.running().get(ONCE) in set(HOSTS) - {lonely}, PATIENCE, "it runs there and nowhere else"
    )
    for unit in (ONCE, STUBBORN):
        assert len(runs(cluster, lonely, unit)) == 1
        assert_never_twice(cluster, unit)
    # When nothing is wrong its unit file is obeyed, and that has it never stop.
    cluster.signal(cluster.running()[STUBBORN], STUBBORN, "KILL")


def test_a_short_cut_stops_nothing_and_after_a_longer_one_it_is_started_again_where_it_was(cluster: Cluster) -> None:
    host = started(cluster, ONCE, kept=sleeper())
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
    assert len(runs(cluster, host, ONCE)) == 2
    assert_never_twice(cluster, ONCE)


def lease_of(cluster: Cluster, host: str) -> str:
    """The lease on which the host's registration hangs, as etcdctl(1) takes it."""
    told = json.loads(cluster.said(host, "etcdctl", "get", "--prefix", "/fleetpy/v1/machines/", "--write-out=json"))
    machines = {json.loads(base64.b64decode(found["value"]))["hostname"]: found["lease"] for found in told["kvs"]}
    return f"{machines[host]:x}"


def test_a_lease_that_is_taken_away_before_its_time_stops_nothing(cluster: Cluster) -> None:
    """As by an operator, or by a leader of etcd's that hung and wakes up (etcd's issue 15247)."""
    host = started(cluster, ONCE, kept=sleeper())
    before = cluster.main_pid(host, ONCE), cluster.main_pid(host, KEPT)
    lease = lease_of(cluster, host)
    cluster.said(host, "etcdctl", "lease", "revoke", lease)
    time.sleep(LEASE + 1)  # What was promised for it is over then.
    cluster.until_machines(*HOSTS)
    assert lease_of(cluster, host) != lease
    assert cluster.running()[ONCE] == host
    assert (cluster.main_pid(host, ONCE), cluster.main_pid(host, KEPT)) == before


def test_where_the_agent_is_stopped_or_frozen_it_stops_and_runs_elsewhere(cluster: Cluster) -> None:
    units = [f"once-{number}.service" for number in range(3)]
    started(cluster, *units)
    at = {host: unit for unit, host in cluster.running().items()}
    stopped, frozen, _well = HOSTS
    cluster.lab.exec(stopped, "systemctl", "stop", "fleet-agent.service", check=True)
    cluster.signal(frozen, "fleet-agent.service", "STOP")
    try:
        until_elsewhere(cluster, stopped, at[stopped])
        until_elsewhere(cluster, frozen, at[frozen])
        assert cluster.active_on(stopped, at[stopped]) == set()
        assert cluster.active_on(frozen, at[frozen]) == set()
    finally:
        cluster.signal(frozen, "fleet-agent.service", "CONT")
        cluster.lab.exec(stopped, "systemctl", "start", "fleet-agent.service", check=True)
    cluster.until_machines(*HOSTS)
    for unit in units:
        assert_never_twice(cluster, unit)


def test_restarting_or_killing_the_agent_does_not_stop_it(cluster: Cluster) -> None:
    host = started(cluster, ONCE)
    pid = cluster.main_pid(host, ONCE)
    cluster.lab.exec(host, "systemctl", "restart", "fleet-agent.service", check=True)
    cluster.signal(host, "fleet-agent.service", "KILL")
    time.sleep(LEASE + 2)  # By now it would have been stopped.
    assert cluster.main_pid(host, ONCE) == pid
    assert [end for _, end in runs(cluster, host, ONCE)] == [FOR_EVER]


@pytest.mark.parametrize(("signal", "latest"), [("KILL", 4.0), ("STOP", LEASE + 4.0)])
def test_a_guard_that_is_killed_or_frozen_takes_it_along_and_both_are_started_again(
    cluster: Cluster, signal: str, latest: float
) -> None:
    host = started(cluster, ONCE)
    began = boot_time()
    cluster.signal(host, GUARD, signal)
    assert until_stopped(cluster, host) - began < latest
    cluster.lab.wait_until(lambda: cluster.active_on(host, ONCE), PATIENCE, "it is started again")
    cluster.until_running({ONCE: host})
    assert cluster.active_on(host, GUARD)
    cluster.fleetctl("destroy", ONCE)
    cluster.lab.wait_until(
        lambda: cluster.said(host, "systemctl", "is-active", GUARD, check=False).strip() == "inactive",
        PATIENCE,
        "the guard leaves with the last unit that needs it",
    )


def test_lease_and_guard_count_the_time_for_which_a_host_sleeps(cluster: Cluster) -> None:
    slept = 100_000
    told = "import time; print(int({module}.boot_time() - time.monotonic()))"
    for module in ("fleetpy.registry.lease", "fleetpy_agent.lease_guard"):
        program = f"import {module}; {told.format(module=module)}"
        asleep = ("unshare", "--time", f"--boottime={slept}", PYTHON, "-c", program)
        awake = int(cluster.said(HOSTS[0], PYTHON, "-c", program))
        assert abs(int(cluster.said(HOSTS[0], *asleep)) - awake - slept) <= 1


def test_a_host_that_was_frozen_for_less_than_its_lease_stops_nothing(cluster: Cluster) -> None:
    host = started(cluster, ONCE)
    pid, guard = cluster.main_pid(host, ONCE), cluster.main_pid(host, GUARD)
    for _ in range(3):
        cluster.lab.pause(host)
        time.sleep(3)  # More than a watchdog of 2 s would bear.
        cluster.lab.resume(host)
        time.sleep(LEASE / 2)  # The lease is renewed meanwhile.
    assert (cluster.main_pid(host, ONCE), cluster.main_pid(host, GUARD)) == (pid, guard)
    assert [end for _, end in runs(cluster, host, ONCE)] == [FOR_EVER]


def test_a_host_that_was_frozen_for_long_stops_its_stale_copies_at_once(cluster: Cluster) -> None:
    host = started(cluster, ONCE, kept=stamped() + "[X-Fleet]\n")
    cluster.lab.pause(host)
    until_elsewhere(cluster, host)
    until_elsewhere(cluster, host, KEPT)
    thawed = boot_time()
    cluster.lab.resume(host)
    assert until_stopped(cluster, host) - thawed < AT_ONCE
    assert until_stopped(cluster, host, KEPT) - thawed < AT_ONCE_WITHOUT_A_GUARD
    cluster.lab.wait_until(lambda: cluster.running().get(ONCE) not in {host, None}, PATIENCE, "it runs elsewhere only")
    for unit in (ONCE, KEPT):
        assert len(runs(cluster, host, unit)) == 1


def test_losing_all_of_etcd_stops_it_everywhere_in_time_and_it_runs_again_when_etcd_is_back(cluster: Cluster) -> None:
    units = [f"once-{number}.service" for number in range(3)]
    started(cluster, *units, kept=sleeper())
    at = cluster.running()
    kept = cluster.main_pid(at[KEPT], KEPT)
    frozen = boot_time()
    try:
        for host in HOSTS:
            cluster.signal(host, "etcd.service", "STOP")
        signalled = boot_time()
        for unit in units:
            assert LEASE / 2 < until_stopped(cluster, at[unit], unit) - frozen < signalled - frozen + LEASE + 1
    finally:
        for host in HOSTS:
            cluster.signal(host, "etcd.service", "CONT")
    cluster.lab.wait_until(
        lambda: cluster.fleetctl("list-units", check=False).returncode == 0 and set(units) <= cluster.running().keys(),
        PATIENCE,
        "all of them run again",
    )
    for unit in units:
        assert_never_twice(cluster, unit)
    assert cluster.main_pid(at[KEPT], KEPT) == kept
