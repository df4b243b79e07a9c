"""What befalls all of etcd: it is paused for long, it is full, it is restored from a backup. No unit pays for it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import HOSTS, PATIENCE, SLEEPER, Cluster, sleeper

if TYPE_CHECKING:
    from collections.abc import Iterator

ETCD = "etcd.service"
DATA = "/var/lib/etcd/default"
ONCE = sleeper("OnPartition=stop")
QUOTA = "/etc/systemd/system/etcd.service.d/quota.conf"
LEASE = 8.0
"""Seconds that a machine's lease lasts, with the default `agent_ttl`."""


def pids(cluster: Cluster, running: dict[str, str]) -> dict[tuple[str, str], int]:
    """The main process of each unit on each host."""
    return {(unit, host): cluster.main_pid(host, unit) for unit, hosts in running.items() for host in hosts.split(",")}


def journal(cluster: Cluster, host: str, service: str, since: float) -> list[str]:
    """What a service has logged there since then."""
    began = f"--since=@{since:.6f}"  # Rounded, it could be later, and pass over what was said at once.
    return cluster.said(host, "journalctl", "--no-pager", began, f"--unit={service}").splitlines()


def addresses(cluster: Cluster) -> dict[str, str]:
    return {host.name: host.address for host in cluster.lab.hosts()}


def test_two_minutes_without_any_answer_of_etcds_stop_only_what_is_to_stop_and_that_comes_back(
    cluster: Cluster,
) -> None:
    keeping = [cluster.write(f"keep-{number}.service") for number in range(3)]
    stopping = [cluster.write(f"once-{number}.service", ONCE) for number in range(3)]
    cluster.write("every.service", sleeper("Global=true"))
    cluster.fleetctl("start", *keeping, *stopping, "every.service")
    cluster.lab.wait_until(lambda: cluster.running().get("every.service") == ",".join(HOSTS), PATIENCE, "all runs")
    running = cluster.running()
    kept = {unit: hosts for unit, hosts in running.items() if unit not in stopping}
    before, first = pids(cluster, kept), pids(cluster, {unit: running[unit] for unit in stopping})
    for host in HOSTS:
        cluster.signal(host, ETCD, "STOP")
    try:
        cluster.lab.wait_until(
            lambda: not any(cluster.active_on(host, *stopping) for host in HOSTS), PATIENCE, "what is to stop has"
        )
        time.sleep(120)  # The promise is about that long.
        assert pids(cluster, kept) == before
        assert not any(cluster.active_on(host, *stopping) for host in HOSTS)
    finally:
        for host in HOSTS:
            cluster.signal(host, ETCD, "CONT")
    cluster.lab.wait_until(
        lambda: all(cluster.active_on(running[unit], unit) for unit in stopping), PATIENCE, "what stopped is back"
    )
    cluster.until_running(running)
    assert pids(cluster, kept) == before
    assert all(after != first[where] for where, after in pids(cluster, {u: running[u] for u in stopping}).items())


@pytest.fixture
def small_etcd(cluster: Cluster) -> Iterator[Cluster]:
    """Each member takes 16 MiB and is full then."""
    for host in HOSTS:
        cluster.lab.put(host, QUOTA, "[Service]\nEnvironment=ETCD_QUOTA_BACKEND_BYTES=16777216\n")
        restart_etcd(cluster, host)
    yield cluster
    for host in HOSTS:
        cluster.lab.revive(host)
        cluster.lab.exec(host, "rm", QUOTA, check=True)
        cluster.lab.exec(host, "systemctl", "daemon-reload", check=True)
        cluster.lab.exec(host, "systemctl", "restart", "--no-block", ETCD, check=True)
    cluster.lab.wait_until(lambda: all(etcd_answers(cluster, host) for host in HOSTS), PATIENCE, "etcd is back")
    if cluster.said(HOSTS[0], "etcdctl", "alarm", "list"):  # The test has not come so far as to see to that.
        disarm(cluster, list(HOSTS))
    cluster.lab.restore()


def restart_etcd(cluster: Cluster, host: str) -> None:
    cluster.lab.exec(host, "systemctl", "daemon-reload", check=True)
    cluster.lab.exec(host, "systemctl", "restart", ETCD, check=True)
    cluster.lab.restore()


def test_a_full_etcd_changes_no_unit_and_says_what_to_do_and_once_that_is_done_all_is_made_up_for(
    small_etcd: Cluster,
) -> None:
    cluster = small_etcd
    names = [cluster.write(f"unit-{number}.service") for number in range(5)]
    cluster.write("late.service")
    cluster.fleetctl("start", *names)
    running = cluster.running()
    dead = next(host for host in HOSTS if host != cluster.leader())
    left = [host for host in HOSTS if host != dead]
    crashing = next(unit for unit, host in running.items() if host != dead)
    kept = {unit: host for unit, host in running.items() if host != dead and unit != crashing}
    before = pids(cluster, kept)
    leader = cluster.leader()
    fill = "while head -c 1000000 /dev/zero | etcdctl put /filler >/dev/null 2>&1; do :; done; etcdctl put /filler x"
    assert "database space exceeded" in cluster.lab.exec(leader, "sh", "-c", fill, timeout=120).stderr
    since = time.time()
    refused = cluster.fleetctl("start", "late.service", check=False)
    assert refused.returncode == 1
    assert "is full and takes no writes" in refused.stderr
    assert "etcdctl compact, defrag, alarm disarm" in refused.stderr
    assert "not written" in refused.stderr
    cluster.signal(running[crashing], crashing, "KILL")
    cluster.lab.kill(dead)
    cluster.lab.wait_until(lambda: cluster.machines() == set(left), PATIENCE, "the dead host's lease is gone")
    time.sleep(LEASE)  # Whoever lost a lease for want of writes would have lost it by now.
    assert cluster.machines() == set(left)
    assert pids(cluster, kept) == before
    assert cluster.active_on(running[crashing], crashing) == set()
    for host, service in ((running[crashing], "fleet-agent.service"), (leader, "fleet-scheduler.service")):
        told = [line for line in journal(cluster, host, service, since) if "is full and takes no writes" in line]
        assert len(told) == 1, told
    disarm(cluster, left)
    cluster.fleetctl("start", "late.service")
    cluster.lab.wait_until(
        lambda: (
            set(cluster.running()) == {*names, "late.service"} - {crashing}
            and set(cluster.running().values()) == set(left)
        ),
        PATIENCE,
        "the dead host's units run elsewhere",
    )
    shown = cluster.fleetctl("list-units", "--no-legend", "--fields=unit,active").stdout.splitlines()
    assert f"{crashing}\tfailed" in shown
    # A member that was away is as full as it was, and raises the alarm again.
    cluster.lab.revive(dead)
    cluster.lab.wait_until(lambda: etcd_answers(cluster, dead), PATIENCE, "its member is back")
    disarm(cluster, list(HOSTS))
    cluster.until_machines(*HOSTS)
    assert pids(cluster, kept) == before


def etcd_answers(cluster: Cluster, host: str) -> bool:
    return cluster.lab.exec(host, "etcdctl", "get", "/").returncode == 0


def disarm(cluster: Cluster, members: list[str]) -> None:
    """What docs/operating-etcd.md says is to be done."""
    endpoints = {"ETCDCTL_ENDPOINTS": ",".join(f"http://{addresses(cluster)[host]}:2379" for host in members)}

    def etcdctl(*arguments: str) -> str:
        return cluster.lab.exec(members[0], "etcdctl", *arguments, check=True, environment=endpoints).stdout

    status = json.loads(etcdctl("endpoint", "status", "--write-out=json"))
    etcdctl("compact", "--physical", str(max(member["Status"]["header"]["revision"] for member in status)))
    etcdctl("defrag")
    etcdctl("alarm", "disarm")
    assert etcdctl("alarm", "list") == ""


def restore_backup(cluster: Cluster, *, token: str) -> None:
    """Stop all of etcd, have every member begin as the backup is, and start it; as docs/operating-etcd.md has it."""
    members = addresses(cluster)
    everybody = ",".join(f"{name}=http://{address}:2380" for name, address in members.items())
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", "stop", ETCD, check=True)
    for host in HOSTS:
        script = (
            f"rm -rf {DATA} && etcdctl snapshot restore /root/fleet.db --data-dir={DATA} --name={host}"
            f" --initial-cluster={everybody} --initial-cluster-token={token}"
            f" --initial-advertise-peer-urls=http://{members[host]}:2380 && chown -R etcd:etcd {DATA}"
        )
        cluster.lab.exec(host, "sh", "-c", script, check=True)
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", "start", "--no-block", ETCD, check=True)
    cluster.lab.restore()


@pytest.mark.parametrize("token", ["restored", ""], ids=["another name", "same name"])
def test_after_etcd_was_restored_from_a_backup_nothing_has_stopped_and_lists_are_right(
    cluster: Cluster, token: str
) -> None:
    """Units from before the backup, changed since, and made since; the agents' leases have survived in it."""
    old = [cluster.write(f"old-{number}.service") for number in range(3)]
    cluster.write("restarted.service")
    cluster.write("gone.service")
    cluster.fleetctl("start", *old, "restarted.service", "gone.service")
    cluster.fleetctl("restart", "restarted.service")
    told = cluster.said(HOSTS[0], "etcdctl", "snapshot", "save", "/root/fleet.db")
    assert "Snapshot saved" in told
    content = cluster.said(HOSTS[0], "base64", "--wrap=0", "/root/fleet.db")
    for host in HOSTS[1:]:
        cluster.lab.put(host, "/root/fleet.b64", content)
        cluster.lab.exec(host, "sh", "-c", "base64 -d /root/fleet.b64 >/root/fleet.db", check=True)
    new = [cluster.write(f"new-{number}.service") for number in range(3)]
    cluster.fleetctl("start", *new)
    cluster.fleetctl("restart", "restarted.service")
    cluster.fleetctl("destroy", "gone.service")
    cluster.signal(cluster.running()[old[0]], old[0], "KILL")
    cluster.lab.wait_until(lambda: old[0] not in cluster.running(), PATIENCE, "it is known to have failed")
    running = cluster.running()
    assert running.keys() == {*old[1:], *new, "restarted.service"}
    before = pids(cluster, running)
    restore_backup(cluster, token=token or cluster.lab.name)
    try:
        # What was destroyed since is there again, by what the backup says.
        cluster.lab.wait_until(
            lambda: cluster.running().keys() == {*running, "gone.service"}, PATIENCE, "lists show what runs"
        )
        time.sleep(LEASE)
        assert pids(cluster, running) == before
        known = cluster.fleetctl("list-unit-files", "--no-legend", "--fields=unit").stdout.split()
        assert sorted(known) == sorted([*old, "restarted.service", "gone.service"])
        shown = cluster.fleetctl("list-units", "--no-legend", "--fields=unit,active").stdout.splitlines()
        assert f"{old[0]}\tfailed" in shown
        assert cluster.machines() == set(HOSTS)
        # Submitted again, they are taken over as they run.
        cluster.fleetctl("start", *new)
        assert pids(cluster, running) == before
        cluster.fleetctl("destroy", *new)
        cluster.lab.wait_until(lambda: not cluster.running().keys() & set(new), PATIENCE, "they have stopped")
    finally:
        for host in HOSTS:
            cluster.lab.exec(host, "sh", "-c", "rm -f /root/fleet.*", check=True)


def test_an_etcd_that_has_lost_everything_stops_nothing(cluster: Cluster) -> None:
    names = [cluster.write(f"unit-{number}.service") for number in range(3)]
    cluster.fleetctl("start", *names)
    running = cluster.running()
    before = pids(cluster, running)
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", "stop", ETCD, check=True)
    for host in HOSTS:
        cluster.lab.exec(host, "rm", "-rf", DATA, check=True)
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", "start", "--no-block", ETCD, check=True)
    cluster.lab.restore()
    cluster.until_running(running)
    assert cluster.fleetctl("list-unit-files", "--no-legend").stdout == ""
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", "restart", "fleet-agent.service", check=True)
    cluster.until_machines(*HOSTS)
    cluster.fleetctl("start", *names)
    cluster.until_running(running)
    assert cluster.placed() == running
    assert pids(cluster, running) == before
    assert SLEEPER.strip() in cluster.fleetctl("cat", names[0]).stdout


def test_a_member_that_has_lost_its_disk_is_replaced_while_all_runs(cluster: Cluster) -> None:
    names = [cluster.write(f"unit-{number}.service") for number in range(3)]
    cluster.fleetctl("start", *names)
    running = cluster.running()
    before = pids(cluster, running)
    lost, member = HOSTS[-1], HOSTS[0]
    peer = f"http://{addresses(cluster)[lost]}:2380"
    cluster.lab.exec(lost, "systemctl", "stop", ETCD, check=True)
    cluster.lab.exec(lost, "rm", "-rf", DATA, check=True)
    known = json.loads(cluster.said(member, "etcdctl", "member", "list", "--write-out=json"))["members"]
    (gone,) = [one["ID"] for one in known if one["name"] == lost]
    cluster.lab.exec(member, "etcdctl", "member", "remove", f"{gone:x}", check=True)
    # etcd takes no member that others have not heard enough of one another for.
    cluster.lab.wait_until(
        lambda: cluster.lab.exec(member, "etcdctl", "member", "add", lost, f"--peer-urls={peer}").returncode == 0,
        PATIENCE,
        "the new member is known",
    )
    drop_in = "/etc/systemd/system/etcd.service.d/existing.conf"
    cluster.lab.put(lost, drop_in, "[Service]\nEnvironment=ETCD_INITIAL_CLUSTER_STATE=existing\n")
    try:
        restart_etcd(cluster, lost)
    finally:
        cluster.lab.exec(lost, "rm", drop_in, check=True)
    cluster.fleetctl("start", cluster.write("late.service"), host=lost)
    assert cluster.machines() == set(HOSTS)
    assert pids(cluster, running) == before
