"""Where units go: the rules of `[X-Fleet]` on real hosts, from the file to what list-units says."""

from __future__ import annotations

import json

from tests.support.cluster import HOSTS, PATIENCE, SLEEPER, Cluster, sleeper


def test_a_chain_of_followers_waits_for_its_leader_and_moves_with_it(cluster: Cluster) -> None:
    cluster.write("lead.service")
    cluster.write("mid.service", sleeper("MachineOf=lead.service"))
    cluster.write("end.service", sleeper("MachineOf=mid.service"))
    cluster.fleetctl("start", "--no-block", "end.service", "mid.service")
    assert cluster.placed() == {"end.service": "", "mid.service": ""}
    assert "lead.service" in cluster.explain("mid.service")
    cluster.fleetctl("start", "lead.service")
    first = cluster.running()["lead.service"]
    names = ("end.service", "lead.service", "mid.service")
    cluster.until_running(dict.fromkeys(names, first))
    second = next(host for host in HOSTS if host != first)
    cluster.set_metadata(second, chain="here")
    cluster.write("lead.service", sleeper("MachineMetadata=chain=here"))
    cluster.fleetctl("start", "--replace", "lead.service")
    cluster.until_running(dict.fromkeys(names, second))
    cluster.fleetctl("unload", "lead.service")
    cluster.until_running({})
    assert cluster.placed() == dict.fromkeys(names, "")


def test_of_five_units_that_conflict_three_run_and_the_next_waits_for_a_free_machine(cluster: Cluster) -> None:
    names = [cluster.write(f"duel-{number}.service", sleeper("Conflicts=duel-*.service")) for number in range(5)]
    cluster.fleetctl("start", "--no-block", *names)
    cluster.lab.wait_until(lambda: len(cluster.running()) == len(HOSTS), PATIENCE, "three of them run")
    running = cluster.running()
    assert sorted(running.values()) == sorted(HOSTS)
    waiting = sorted(set(names) - running.keys())
    assert all("which conflicts" in cluster.explain(name) for name in waiting)
    gone, host = next(iter(running.items()))
    cluster.fleetctl("destroy", gone)
    del running[gone]
    cluster.lab.wait_until(lambda: len(cluster.running()) == len(HOSTS), PATIENCE, "one that waited runs")
    after = cluster.running()
    (newcomer,) = after.keys() - running.keys()
    assert newcomer in waiting
    assert after == {**running, newcomer: host}


def test_a_conflict_of_one_side_keeps_the_other_away_as_long_as_it_lasts(cluster: Cluster) -> None:
    here = f"MachineID={cluster.lab.host('host2').machine_id}"
    cluster.write("plain.service", sleeper(here))
    cluster.set_metadata("host2", jealous="yes")
    cluster.write("jealous.service", sleeper("Conflicts=plain.service", "MachineMetadata=jealous=yes"))
    cluster.fleetctl("start", "jealous.service")
    cluster.fleetctl("start", "--no-block", "plain.service")
    assert cluster.placed() == {"jealous.service": "host2", "plain.service": ""}
    assert "jealous.service" in cluster.explain("plain.service")
    cluster.fleetctl("destroy", "jealous.service")
    cluster.until_running({"plain.service": "host2"})


def test_several_conflicts_count_on_one_line_and_on_several(cluster: Cluster) -> None:
    cluster.write("one.service")
    cluster.write("two.service", sleeper("Conflicts=one.service zero.service"))
    cluster.write("three.service", sleeper("Conflicts=zero.service", "Conflicts=one.service", "Conflicts=two.*"))
    cluster.fleetctl("start", "one.service", "two.service", "three.service")
    assert sorted(cluster.running().values()) == sorted(HOSTS)


def test_a_unit_that_replaces_another_takes_its_machine_and_the_other_moves(cluster: Cluster) -> None:
    cluster.write("old.service")
    cluster.write("beside.service", sleeper("MachineOf=old.service"))
    cluster.write("apart.service", sleeper("Conflicts=old.service"))
    cluster.fleetctl("start", "old.service", "beside.service", "apart.service")
    before = cluster.running()
    cluster.fleetctl("start", cluster.write("new.service", sleeper("Replaces=old.service")))
    cluster.lab.wait_until(lambda: len(cluster.running()) == 4, PATIENCE, "all four run")
    after = cluster.running()
    assert after["new.service"] == before["old.service"]
    assert after["old.service"] == after["beside.service"]
    assert after["old.service"] not in {before["old.service"], before["apart.service"]}
    assert after["apart.service"] == before["apart.service"]


def test_units_that_replace_each_other_both_run_and_move_nobody(cluster: Cluster) -> None:
    cluster.write("chicken.service", sleeper("Replaces=egg.service"))
    cluster.write("egg.service", sleeper("Replaces=chicken.service"))
    cluster.fleetctl("start", "chicken.service")
    first = cluster.running()
    pid = cluster.main_pid(first["chicken.service"], "chicken.service")
    cluster.fleetctl("start", "egg.service")
    assert cluster.running().keys() == {"chicken.service", "egg.service"}
    assert cluster.main_pid(first["chicken.service"], "chicken.service") == pid


def test_a_unit_with_a_machine_id_runs_there_and_with_an_unknown_one_waits(cluster: Cluster) -> None:
    cluster.write("pinned@.service", sleeper("MachineID=%i"))
    machines = {host.machine_id: host.name for host in cluster.lab.hosts()}
    cluster.fleetctl("start", *(f"pinned@{machine}.service" for machine in machines))
    assert cluster.running() == {f"pinned@{machine}.service": host for machine, host in machines.items()}
    gave_up = cluster.fleetctl("start", "--block-attempts=1", f"pinned@{'0' * 32}.service", check=False)
    assert gave_up.returncode == 124
    assert cluster.placed()[f"pinned@{'0' * 32}.service"] == ""


def test_the_old_spellings_of_options_still_count(cluster: Cluster) -> None:
    machine = cluster.lab.host("host3").machine_id
    cluster.write("a.service", sleeper(f"X-ConditionMachineID={machine}"))
    cluster.write("b.service", sleeper("X-ConditionMachineOf=a.service"))
    cluster.write("c.service", sleeper("X-Conflicts=a.service", "X-ConditionMachineMetadata=old=spelling"))
    cluster.set_metadata("host1", old="spelling")
    cluster.fleetctl("start", "a.service", "b.service", "c.service")
    assert cluster.running() == {"a.service": "host3", "b.service": "host3", "c.service": "host1"}


def test_metadata_of_one_key_are_alternatives_and_those_of_several_keys_all_count(cluster: Cluster) -> None:
    cluster.set_metadata("host1", zone="east", disk="ssd")
    cluster.set_metadata("host2", zone="west", disk="disk")
    cluster.set_metadata("host3", zone="north", disk="ssd")
    fleet = ['MachineMetadata="zone=west" "disk=ssd"', "MachineMetadata=zone=east"]
    cluster.fleetctl("start", cluster.write("picky.service", sleeper(*fleet)))
    cluster.fleetctl("start", "--no-block", cluster.write("all.service", sleeper("Global=true", *fleet)))
    cluster.until_running({"picky.service": "host1", "all.service": "host1"})
    cluster.set_metadata("host2", disk="ssd")
    cluster.until_running({"picky.service": "host1", "all.service": "host1,host2"})


def test_instances_find_their_machine_by_a_specifier_in_the_metadata(cluster: Cluster) -> None:
    for host in HOSTS:
        cluster.set_metadata(host, name=f"the-{host}")
    cluster.fleetctl("submit", cluster.write("at@.service", sleeper("MachineMetadata=name=%i")))
    (cluster.folder / "at@.service").unlink()
    cluster.fleetctl("start", *(f"at@the-{host}.service" for host in reversed(HOSTS)))
    assert cluster.running() == {f"at@the-{host}.service": host for host in HOSTS}
    gave_up = cluster.fleetctl("start", "--block-attempts=1", "at@nowhere.service", check=False)
    assert gave_up.returncode == 124
    assert "name=nowhere" in cluster.explain("at@nowhere.service")


def test_metadata_that_change_while_all_runs_place_move_and_take_away(cluster: Cluster) -> None:
    cluster.fleetctl("start", "--no-block", cluster.write("mobile.service", sleeper("MachineMetadata=role=db")))
    assert cluster.placed() == {"mobile.service": ""}
    cluster.set_metadata("host1", role="db")
    cluster.until_running({"mobile.service": "host1"})
    cluster.set_metadata("host2", role="db")
    cluster.set_metadata("host1", role="web")
    cluster.until_running({"mobile.service": "host2"})
    cluster.set_metadata("host2", role=None)
    cluster.until_running({})
    assert "role=db" in cluster.explain("mobile.service")
    bad = cluster.patch({"op": "copy", "path": f"/{cluster.lab.host('host1').machine_id}/metadata/role"})
    assert bad.status_code == 400


def test_global_units_run_beside_single_ones_and_restart_everywhere(cluster: Cluster) -> None:
    cluster.write("every.service", sleeper("Global=true"))
    cluster.fleetctl("start", cluster.write("single.service"), "every.service")
    host = cluster.running()["single.service"]
    everywhere = {"every.service": ",".join(HOSTS), "single.service": host}
    cluster.until_running(everywhere)
    before = {host: cluster.main_pid(host, "every.service") for host in HOSTS}
    cluster.fleetctl("restart", "every.service")
    cluster.lab.wait_until(
        lambda: all(cluster.main_pid(host, "every.service") not in {0, before[host]} for host in HOSTS),
        PATIENCE,
        "it was restarted everywhere",
    )
    cluster.fleetctl("stop", "every.service")
    cluster.until_running({"single.service": host})


def test_of_two_global_units_that_conflict_the_first_runs_and_the_second_nowhere(cluster: Cluster) -> None:
    for number in range(2):
        cluster.write(f"alone-{number}.service", sleeper("Global=true", "Conflicts=alone-*.service"))
    cluster.fleetctl("start", "alone-0.service")
    cluster.until_running({"alone-0.service": ",".join(HOSTS)})
    cluster.fleetctl("start", "--no-block", "alone-1.service")
    assert "which conflicts" in cluster.explain("alone-1.service")
    cluster.write("single.service", sleeper("Conflicts=alone-0.service"))
    cluster.fleetctl("start", "--no-block", "single.service")
    assert "which conflicts" in cluster.explain("single.service")
    assert cluster.running() == {"alone-0.service": ",".join(HOSTS)}
    cluster.fleetctl("destroy", "alone-0.service")
    cluster.lab.wait_until(
        lambda: set(cluster.running()) == {"alone-1.service", "single.service"}, PATIENCE, "those that waited run"
    )


def test_a_host_that_has_a_unit_of_that_name_is_asked_once_and_not_again_and_again(cluster: Cluster) -> None:
    machine = cluster.lab.host("host1").machine_id
    cluster.write("dbus.service", sleeper(f"MachineID={machine}"))
    gave_up = cluster.fleetctl("start", "--block-attempts=2", "dbus.service", check=False)
    assert gave_up.returncode == 124
    assert "has a unit of its own of that name" in gave_up.stderr

    def revision() -> int:
        told = cluster.lab.exec("host2", "etcdctl", "get", "--write-out=json", "/none", check=True).stdout
        return int(json.loads(told)["header"]["revision"])

    first = revision()
    cluster.lab.exec("host2", "sleep", "2", check=True)
    assert revision() - first < 10
    assert "has a unit of its own of that name" in cluster.explain("dbus.service")
    assert cluster.active_on("host1", "dbus.service") == {"dbus.service"}


def test_a_units_place_is_the_least_loaded_machine(cluster: Cluster) -> None:
    machine = cluster.lab.host("host1").machine_id
    heavy = [cluster.write(f"heavy-{number}.service", sleeper(f"MachineID={machine}")) for number in range(3)]
    cluster.fleetctl("load", *heavy)
    light = [cluster.write(f"light-{number}.service", SLEEPER) for number in range(4)]
    cluster.fleetctl("start", *light)
    assert sorted(cluster.running().values()) == ["host2", "host2", "host3", "host3"]
