"""One bad apple: what is wrong with one unit, or one value in etcd, holds up nothing else."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import HOSTS, PATIENCE, SLEEPER, Cluster, sleeper
from tests.support.stamps import FOR_EVER, IGNORES_TERM, assert_never_twice, clear, runs, stamped

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = "host1"
SOON = 10.0
"""Seconds for what nothing holds up, on a machine that is busy with three hosts."""
MANY = 500
PREFIX = "/fleetpy/v1/"


def here(cluster: Cluster, text: str = SLEEPER) -> str:
    """The unit file with the unit bound to one host."""
    return f"{text}[X-Fleet]\nMachineID={cluster.lab.host(HERE).machine_id}\n"


def until_active(cluster: Cluster, *units: str) -> None:
    cluster.lab.wait_until(lambda: set(units) <= cluster.running().keys(), SOON, f"{units} are active")


def assert_nothing_is_held_up(cluster: Cluster) -> None:
    """On the host of the bad apple another unit is started, restarted and destroyed, all at once."""
    name = cluster.write("good.service", here(cluster))
    began = time.monotonic()
    cluster.fleetctl("start", name)
    until_active(cluster, name)
    cluster.fleetctl("restart", name)
    cluster.fleetctl("destroy", name)
    cluster.lab.wait_until(lambda: not cluster.active_on(HERE, name), SOON, "it is stopped")
    assert time.monotonic() - began < 2 * SOON


def problem(cluster: Cluster, unit: str) -> str:
    """What the agent says went wrong with a unit on the host."""
    key = f"{PREFIX}states/{cluster.lab.host(HERE).machine_id}/{unit}"
    return cluster.said(HERE, "etcdctl", "get", "--print-value-only", key)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[Service]\nType=simple\n", "bad-setting"),
        ("[Service]\nType=oneshot\nExecStart=no/absolute path\n", "bad-setting"),
        ("[Service]\nExecStart=/bin/sleep infinity\n[Unit]\nRequires=nowhere-to-be-found.service\n", "not found"),
        ("[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/bin/sleep infinity\n", "refuses to start"),
        ("[Service]\nExecStart=/nowhere/to/be/found\n", "failed"),
        ("[Service]\nExecStart=/bin/false\n", "failed"),
        ("[Service]\nExecStart=/bin/sleep infinity\nUser=nobody-of-that-name\n", "failed"),
    ],
)
def test_a_unit_that_systemd_refuses_or_that_fails_is_told_of_and_holds_up_nobody(
    cluster: Cluster, text: str, told: str
) -> None:
    bad = [cluster.write(f"bad-{number}.service", here(cluster, text)) for number in range(3)]
    cluster.fleetctl("start", "--no-block", *bad)
    cluster.lab.wait_until(lambda: told in problem(cluster, bad[0]), SOON, f"{told} is told")
    assert_nothing_is_held_up(cluster)
    cluster.write(bad[0], here(cluster))
    cluster.fleetctl("start", "--replace", bad[0])
    until_active(cluster, bad[0])
    cluster.fleetctl("destroy", *bad)
    cluster.lab.wait_until(lambda: not problem(cluster, bad[1]), SOON, "nothing is left of it")


def test_a_unit_that_is_not_to_be_stopped_by_hand_can_be_stopped_replaced_and_destroyed(cluster: Cluster) -> None:
    text = here(cluster, f"[Unit]\nRefuseManualStop=yes\n{SLEEPER}")
    name = cluster.write("clings.service", text)
    cluster.fleetctl("start", name)
    until_active(cluster, name)
    cluster.fleetctl("stop", name)
    cluster.lab.wait_until(lambda: not cluster.active_on(HERE, name), SOON, "it is stopped")
    cluster.fleetctl("start", name)
    cluster.write(name, text.replace("RefuseManualStop=yes", "RefuseManualStop=yes\nDescription=another"))
    cluster.fleetctl("start", "--replace", name)
    until_active(cluster, name)
    cluster.fleetctl("destroy", name)
    assert not cluster.active_on(HERE, name)


def test_a_unit_that_is_masked_on_a_host_runs_on_another(cluster: Cluster) -> None:
    mask = "/etc/systemd/system/masked.service"
    masked = HOSTS[:2]
    try:
        for host in masked:
            cluster.lab.exec(host, "ln", "-s", "/dev/null", mask, check=True)
        cluster.fleetctl("start", cluster.write("masked.service"))
        cluster.until_running({"masked.service": HOSTS[2]})
        assert_nothing_is_held_up(cluster)
        for host in masked:
            assert cluster.said(host, "readlink", mask).strip() == "/dev/null"
    finally:
        for host in masked:
            cluster.lab.exec(host, "rm", "-f", mask)


def test_a_unit_that_hangs_in_its_stop_holds_up_only_the_next_of_its_name(cluster: Cluster) -> None:
    clear(cluster)
    name = cluster.write("clings.service", here(cluster, stamped(IGNORES_TERM, "TimeoutStopSec=25")))
    cluster.fleetctl("start", name)
    until_active(cluster, name)
    cluster.fleetctl("destroy", "--no-block", name)
    cluster.write(name, stamped())
    cluster.fleetctl("start", "--no-block", name)
    assert_nothing_is_held_up(cluster)
    assert [end for _, end in runs(cluster, HERE, name)] == [FOR_EVER]
    assert "stop it" in cluster.explain(name)
    cluster.lab.wait_until(lambda: name in cluster.running(), PATIENCE, "the next of its name runs")
    assert_never_twice(cluster, name)
    assert sum(end == FOR_EVER for host in HOSTS for _, end in runs(cluster, host, name)) == 1


def test_units_that_hang_in_their_start_can_be_stopped_and_destroyed(cluster: Cluster) -> None:
    text = here(cluster, "[Service]\nType=notify\nTimeoutStartSec=infinity\nExecStart=/bin/sleep infinity\n")
    hanging = [cluster.write(f"hangs-{number}.service", text) for number in range(40)]
    cluster.fleetctl("start", "--no-block", *hanging)
    cluster.lab.wait_until(lambda: cluster.main_pid(HERE, hanging[-1]), PATIENCE, "all of them hang")
    assert_nothing_is_held_up(cluster)
    cluster.fleetctl("stop", *hanging[:20])
    cluster.fleetctl("destroy", *hanging)
    cluster.lab.wait_until(lambda: not problem(cluster, "hangs"), PATIENCE, "nothing is left of them")
    assert not cluster.main_pid(HERE, hanging[-1])


def cpu_seconds(cluster: Cluster, service: str) -> float:
    """What a service's main process on the host has used of the processors so far."""
    fields = cluster.said(HERE, "cat", f"/proc/{cluster.main_pid(HERE, service)}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_units_that_restart_for_ever_do_not_keep_the_agent_busy(cluster: Cluster) -> None:
    text = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=100ms\nExecStart=/bin/false\n"
    restless = [cluster.write(f"restless-{number}.service", here(cluster, text)) for number in range(10)]
    cluster.fleetctl("start", "--no-block", *restless)
    cluster.lab.wait_until(lambda: "auto-restart" in problem(cluster, restless[-1]), PATIENCE, "they restart")
    assert_nothing_is_held_up(cluster)
    seconds = 10
    before = cpu_seconds(cluster, "fleet-agent.service")
    changes = revision(cluster)
    time.sleep(seconds)  # What is measured is what happens in it.
    assert (cpu_seconds(cluster, "fleet-agent.service") - before) / seconds < 0.5
    assert (revision(cluster) - changes) / seconds < len(restless)


def revision(cluster: Cluster) -> int:
    """How many changes etcd has had so far."""
    return int(cluster.said(HERE, "etcdctl", "get", "-w", "fields", "/nothing").split('"Revision" : ')[1].split()[0])


def test_hundreds_of_units_on_one_host_all_come_up_and_all_go(cluster: Cluster) -> None:
    cluster.write("many@.service", here(cluster))
    units = [f"many@{number}.service" for number in range(MANY)]
    began = time.monotonic()
    cluster.fleetctl("start", *units)
    until_many_run(cluster, MANY)
    took = time.monotonic() - began
    cluster.fleetctl("stop", *units)
    until_many_run(cluster, 0)
    cluster.fleetctl("start", *units)
    until_many_run(cluster, MANY)
    cluster.fleetctl("destroy", *units)
    until_many_run(cluster, 0)
    cluster.lab.wait_until(
        lambda: not cluster.fleetctl("list-units", "--no-legend").stdout, PATIENCE, "no state is left"
    )
    assert "many@" not in cluster.said(HERE, "ls", "-R", "/run/fleet", "/run/systemd/system")
    assert took < PATIENCE / 2


def until_many_run(cluster: Cluster, number: int) -> None:
    """Wait until so many instances are active, by the host's systemd."""
    command = ("systemctl", "list-units", "--no-legend", "--plain", "--state=active", "many@*")
    cluster.lab.wait_until(
        lambda: len(cluster.said(HERE, *command).splitlines()) == number, PATIENCE, f"{number} of them run"
    )


@contextmanager
def rubbish(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Values that are none of ours under every prefix: for each key what the log must name."""
    machine = cluster.lab.host(HERE).machine_id
    keys = {
        "units/bad-unit.service": "bad-unit.service",
        "units/no bad name": "no bad name",
        f"placements/{machine}/bad-placement.service": "bad-placement.service",
        f"placements/{machine}/no bad placement": "no bad placement",
        "placements/bad-pair": "bad-pair",
        f"states/{machine}/bad-state.service": "bad-state.service",
        "states/bad-state": "states/bad-state",
        "machines/bad-machine": "bad-machine",
        "machine-settings/bad-settings": "bad-settings",
    }
    # Of a newer fleetpy; of a machine that is there; a file that no unit refers to, which is collected some day.
    silent = ["of-another-kind/bad", f"machine-settings/{machine}", "unit-files/bad-file", "units/kept.service"]
    try:
        for key in (*keys, *silent):
            cluster.lab.exec(HERE, "etcdctl", "put", f"{PREFIX}{key}", '{"rubbish": 1', check=True)
        yield keys
    finally:
        for key in (*keys, *silent):
            cluster.lab.exec(HERE, "etcdctl", "del", f"{PREFIX}{key}", check=True)


def test_values_that_cannot_be_read_are_told_of_once_and_hold_up_nothing(cluster: Cluster) -> None:
    kept = cluster.write("kept.service", here(cluster))
    cluster.fleetctl("start", kept)
    until_active(cluster, kept)
    pid = cluster.main_pid(HERE, kept)
    began = cluster.said(HERE, "date", "+%s").strip()
    leader = cluster.leader()

    def told(host: str, service: str) -> list[str]:
        log = cluster.said(host, "journalctl", "--no-pager", "-o", "cat", "-u", service, f"--since=@{began}")
        return [line for line in log.splitlines() if "bad" in line]

    with rubbish(cluster) as keys:
        assert_nothing_is_held_up(cluster)
        units = [cluster.write(f"after-{number}.service", sleeper("Conflicts=after-*.service")) for number in range(3)]
        cluster.fleetctl("start", *units)
        until_active(cluster, *units)
        assert set(HOSTS) <= cluster.machines()
        cluster.fleetctl("list-unit-files")
        cluster.fleetctl("destroy", units[0])
        assert_nothing_is_held_up(cluster)
        assert cluster.main_pid(HERE, kept) == pid
        by_scheduler, by_agent = told(leader, "fleet-scheduler.service"), told(HERE, "fleet-agent.service")
        for word in keys.values():
            assert sum(word in line for line in by_scheduler) == 1, (word, by_scheduler)
        for word in ("bad-placement", "no bad placement"):
            assert sum(word in line for line in by_agent) == 1, (word, by_agent)
        cluster.fleetctl("start", kept)  # What cannot be read is replaced by submitting it anew.
        cluster.until_running({kept: HERE, **{unit: host for unit, host in cluster.running().items() if unit != kept}})
        assert cluster.main_pid(HERE, kept) == pid
        cluster.fleetctl("destroy", kept)
        assert not cluster.main_pid(HERE, kept)


def test_odd_names_are_names(cluster: Cluster) -> None:
    names = [
        r"odd:name-1.2_x\x2dy@in\x2fst:a\x20nce.service",
        "UPPER.lower--_.service",
        "a.b.c.service",
        f"{'long' * 60}.service",
    ]
    for name in names:
        cluster.write(name, here(cluster))
    too_long = cluster.write(f"{'l' * 243}.service", here(cluster))
    cluster.fleetctl("start", "--no-block", too_long)
    cluster.fleetctl("start", *names)
    until_active(cluster, *names)
    cluster.lab.wait_until(lambda: "too long" in problem(cluster, too_long), SOON, "that there is no file of that name")
    assert_nothing_is_held_up(cluster)
    cluster.fleetctl("restart", *names)
    assert cluster.active_on(HERE, *names) == set(names)
    cluster.fleetctl("destroy", *names, too_long)
    cluster.lab.wait_until(lambda: not cluster.active_on(HERE, *names), SOON, "all are stopped")
