"""The main job on real hosts: from `fleetctl start` to a unit under a real systemd, wherever hosts are left for it."""

from __future__ import annotations

import pytest

from tests.support.cluster import HOSTS, PATIENCE, SLEEPER, Cluster


def test_a_started_unit_runs_where_list_units_says_and_nowhere_else(cluster: Cluster) -> None:
    names = [cluster.write(f"load-{number}.service") for number in range(6)]
    said = cluster.fleetctl("start", *names).stdout
    running = cluster.running()
    assert set(running) == set(names)
    assert sorted(running.values()) == sorted(HOSTS * 2)
    hosts = {host.name: host for host in cluster.lab.hosts()}
    for name, place in running.items():
        host = hosts[place]
        assert f"Unit {name} launched on {host.machine_id[:8]}.../{host.address}" in said
    for place in HOSTS:
        assert cluster.active_on(place, *names) == {name for name, found in running.items() if found == place}


def test_a_killed_hosts_units_run_elsewhere_and_its_return_moves_nothing(cluster: Cluster) -> None:
    names = [cluster.write(f"mobile-{number}.service") for number in range(3)]
    cluster.fleetctl("start", *names)
    before = cluster.running()
    victim = before["mobile-0.service"]
    cluster.lab.kill(victim)
    cluster.lab.wait_until(
        lambda: set(now := cluster.running()) == set(names) and victim not in now.values(),
        PATIENCE,
        f"everything runs without {victim}",
    )
    after = cluster.running()
    kept = {name for name in names if before[name] != victim}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    cluster.lab.revive(victim)
    machines = "list-machines", "--no-legend", "--fields=hostname"
    cluster.lab.wait_until(
        lambda: victim in cluster.fleetctl(*machines).stdout.split(), PATIENCE, f"{victim} is in the cluster again"
    )
    assert cluster.running() == after
    assert cluster.active_on(victim, *names) == set()


def test_restarting_an_agent_leaves_every_process_as_it_was(cluster: Cluster) -> None:
    names = [cluster.write(f"steady-{number}.service") for number in range(6)]
    cluster.fleetctl("start", *names)
    running = cluster.running()
    before = {name: cluster.main_pid(host, name) for name, host in running.items()}
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", "restart", "fleet-agent.service", check=True)
    cluster.fleetctl("start", cluster.write("afterwards.service"))
    assert {name: cluster.main_pid(host, name) for name, host in running.items()} == before
    assert 0 not in before.values()


def test_an_agent_that_is_killed_takes_over_what_runs(cluster: Cluster) -> None:
    cluster.fleetctl("start", cluster.write("steady.service"))
    host = cluster.running()["steady.service"]
    before = cluster.main_pid(host, "steady.service")
    cluster.signal(host, "fleet-agent.service", "KILL")
    cluster.fleetctl("stop", "steady.service")
    assert cluster.active_on(host, "steady.service") == set()
    cluster.fleetctl("start", "steady.service")
    assert cluster.running() == {"steady.service": host}
    assert cluster.main_pid(host, "steady.service") not in {0, before}


def test_a_unit_is_placed_after_the_leading_scheduler_was_killed(cluster: Cluster) -> None:
    leader = cluster.leader()
    cluster.signal(leader, "fleet-scheduler.service", "KILL")
    cluster.fleetctl("start", cluster.write("late.service"))
    assert "late.service" in cluster.running()


def test_a_host_that_was_cut_off_stops_what_was_given_to_another(cluster: Cluster) -> None:
    cluster.fleetctl("start", cluster.write("split.service"))
    lonely = cluster.running()["split.service"]
    cluster.lab.partition(lonely)
    other = next(host for host in HOSTS if host != lonely)
    cluster.lab.wait_until(
        lambda: (
            cluster.fleetctl("list-units", "--no-legend", host=other).stdout.count("active\trunning") == 1
            and cluster.active_on(lonely, "split.service")
            and any(cluster.active_on(host, "split.service") for host in HOSTS if host != lonely)
        ),
        PATIENCE,
        "the unit runs on the other side, and the one that was cut off goes on",
    )
    cluster.lab.heal(lonely)
    cluster.lab.wait_until(
        lambda: not cluster.active_on(lonely, "split.service"), PATIENCE, "the stale copy is stopped"
    )
    cluster.lab.wait_until(
        lambda: len(cluster.fleetctl("list-machines", "--no-legend", host=other).stdout.splitlines()) == len(HOSTS),
        PATIENCE,
        "all machines are back",
    )
    # The API of the host that was cut off may still show what it saw last.
    cluster.lab.wait_until(lambda: cluster.running()["split.service"] != lonely, PATIENCE, "every API says so")


def test_losing_etcd_for_longer_than_the_ttl_stops_nothing(cluster: Cluster) -> None:
    names = [cluster.write(f"calm-{number}.service") for number in range(3)]
    cluster.fleetctl("start", *names)
    running = cluster.running()
    before = {name: cluster.main_pid(host, name) for name, host in running.items()}
    try:
        for host in HOSTS:
            cluster.signal(host, "etcd.service", "STOP")
        # As long as it takes for a lease to be long gone, by the clock of a host.
        cluster.lab.exec("host1", "sleep", "15", check=True)
    finally:
        for host in HOSTS:
            cluster.signal(host, "etcd.service", "CONT")
    cluster.lab.wait_until(lambda: cluster.fleetctl("list-units", check=False).returncode == 0, PATIENCE, "an answer")
    cluster.until_running(running)
    assert {name: cluster.main_pid(host, name) for name, host in running.items()} == before


def test_conflicting_instances_share_no_machine_and_a_follower_is_with_its_leader(cluster: Cluster) -> None:
    cluster.write("web@.service", f"{SLEEPER}[X-Fleet]\nConflicts=web@*.service\n")
    cluster.write("beside@.service", f"{SLEEPER}[X-Fleet]\nMachineOf=web@%i.service\n")
    cluster.fleetctl("start", "web@1", "web@2", "web@3", "beside@2")
    running = cluster.running()
    assert sorted(running[f"web@{number}.service"] for number in (1, 2, 3)) == sorted(HOSTS)
    assert running["beside@2.service"] == running["web@2.service"]


def test_a_global_unit_runs_everywhere_and_on_a_host_that_returns(cluster: Cluster) -> None:
    cluster.fleetctl("start", cluster.write("everywhere.service", f"{SLEEPER}[X-Fleet]\nGlobal=true\n"))
    cluster.until_running({"everywhere.service": "host1,host2,host3"})
    cluster.lab.kill("host3")
    cluster.until_running({"everywhere.service": "host1,host2"})
    cluster.lab.revive("host3")
    cluster.until_running({"everywhere.service": "host1,host2,host3"})


def test_a_new_text_replaces_what_runs(cluster: Cluster) -> None:
    name = cluster.write("changing.service")
    cluster.fleetctl("start", name)
    host = cluster.running()[name]
    before = cluster.main_pid(host, name)
    cluster.write(name, "[Service]\nExecStart=/bin/sleep 86400\n")
    cluster.fleetctl("start", "--replace", name)
    where = cluster.running()[name]
    assert cluster.main_pid(where, name) not in {0, before}
    shown = cluster.said(where, "systemctl", "show", "--property=ExecStart", name)
    assert "86400" in shown
    assert "86400" in cluster.fleetctl("cat", name).stdout


def test_restart_restarts_each_unit_once(cluster: Cluster) -> None:
    names = [cluster.write(f"again-{number}.service") for number in range(2)]
    cluster.fleetctl("start", *names)
    running = cluster.running()
    before = {name: cluster.main_pid(host, name) for name, host in running.items()}
    cluster.fleetctl("restart", *names)
    after = {name: cluster.main_pid(host, name) for name, host in running.items()}
    assert all(after[name] not in {0, before[name]} for name in names)
    assert cluster.running() == running


def test_a_units_ways_down_are_stop_unload_and_destroy(cluster: Cluster) -> None:
    name = cluster.write("short.service")
    cluster.fleetctl("start", name)
    host = cluster.running()[name]
    fields = "list-unit-files", "--no-legend", "--fields=unit,dstate,state"
    cluster.fleetctl("stop", name)
    assert cluster.fleetctl(*fields).stdout == f"{name}\tloaded\tloaded\n"
    assert cluster.active_on(host, name) == set()
    cluster.fleetctl("unload", name)
    assert cluster.fleetctl(*fields).stdout == f"{name}\tinactive\tinactive\n"
    shown = cluster.said(host, "systemctl", "show", "--property=LoadState", "--value", name)
    assert shown.strip() == "not-found"
    cluster.fleetctl("destroy", name)
    assert cluster.fleetctl(*fields).stdout == ""


def test_a_unit_of_the_hosts_own_is_never_touched(cluster: Cluster) -> None:
    for host in HOSTS[:2]:
        cluster.lab.put(host, "/etc/systemd/system/taken.service", "[Service]\nExecStart=/bin/sleep 4242\n")
        cluster.lab.exec(host, "systemctl", "daemon-reload", check=True)
        cluster.lab.exec(host, "systemctl", "start", "taken.service", check=True)
    before = [cluster.main_pid(host, "taken.service") for host in HOSTS[:2]]
    try:
        cluster.fleetctl("start", cluster.write("taken.service"))
        assert cluster.running() == {"taken.service": "host3"}
        assert [cluster.main_pid(host, "taken.service") for host in HOSTS[:2]] == before
    finally:
        for host in HOSTS[:2]:
            cluster.lab.exec(host, "systemctl", "stop", "taken.service")
            cluster.lab.exec(host, "rm", "/etc/systemd/system/taken.service")
            cluster.lab.exec(host, "systemctl", "daemon-reload", check=True)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("bad?name.service", SLEEPER, "bad?name.service"),
        ("bad.service", f"{SLEEPER}[X-Fleet]\nConflict=web@*.service\n", "Conflicts"),
        ("early.service", "Type=oneshot\n[Service]\nExecStart=/bin/true\n", "line 1"),
        ("torn.service", f"{SLEEPER}[X-Fleet]\nGlobal=true\nMachineOf=web.service\n", "Global"),
    ],
)
def test_a_unit_that_cannot_be_is_refused_in_one_line(cluster: Cluster, name: str, text: str, said: str) -> None:
    refused = cluster.fleetctl("start", cluster.write(name, text), check=False)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert cluster.fleetctl("list-unit-files", "--no-legend").stdout == ""


def test_an_unknown_unit_is_named(cluster: Cluster) -> None:
    refused = cluster.fleetctl("start", "nobody.service", check=False)
    assert refused.returncode == 1
    assert "nobody.service" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_without_etcd_there_is_one_line_and_exit_code_1(cluster: Cluster) -> None:
    cluster.fleetctl("list-units")
    try:
        for host in HOSTS:
            cluster.signal(host, "etcd.service", "STOP")
        refused = cluster.fleetctl("start", cluster.write("nowhere.service"), check=False)
    finally:
        for host in HOSTS:
            cluster.signal(host, "etcd.service", "CONT")
    assert refused.returncode == 1
    assert "etcd" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
