"""Global units: on every eligible machine, before all others."""

from __future__ import annotations

from tests.unit.planner.builders import Cluster, idle, make_machine, reasons, told


def test_a_global_unit_comes_to_every_machine() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    cluster.submit("log.service", is_global=True)
    assert reasons(cluster.plan()) == [
        f"gives log.service to {machine}: a global unit is on every eligible machine" for machine in ("m1", "m2", "m3")
    ]


def test_a_machine_that_joins_gets_the_global_units_at_once() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("log.service", is_global=True)
    cluster.settle()
    cluster.join(make_machine("m2"))
    assert told(cluster.plan()) == ["place log.service m2"]


def test_a_global_unit_asks_for_metadata_as_others_do() -> None:
    cluster = Cluster.of(make_machine("m1", region="eu"), make_machine("m2"))
    cluster.submit("log.service", is_global=True, metadata={"region": "eu"})
    cluster.settle()
    assert cluster.where() == {"log.service": ["m1"]}
    cluster.join(make_machine("m1"))
    cluster.join(make_machine("m2", region="eu"))
    cluster.settle()
    assert cluster.where() == {"log.service": ["m2"]}


def test_a_global_unit_with_no_eligible_machine_is_pending() -> None:
    cluster = Cluster.of("m1", make_machine("m2", cordoned=True))
    cluster.submit("log.service", is_global=True, metadata={"region": "eu"})
    assert cluster.plan().pending == {"log.service": "2 machines lack region=eu"}


def test_a_global_unit_that_some_machines_refuse_is_not_pending() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log.service", is_global=True)
    cluster.report("m1", "log.service", refused="the host has one")
    planned = cluster.plan()
    assert told(planned) == ["place log.service m2"]
    assert planned.pending == {}


def test_of_two_global_units_that_conflict_the_first_by_name_comes() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log-1.service", is_global=True, conflicts=["log-*.service"])
    cluster.submit("log-0.service", is_global=True, conflicts=["log-*.service"])
    planned = cluster.plan()
    assert told(planned) == ["place log-0.service m1", "place log-0.service m2"]
    assert planned.pending == {"log-1.service": "2 machines run log-0.service, which conflicts"}


def test_a_global_unit_that_is_there_is_not_moved_by_another_one() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("log-1.service", is_global=True)
    cluster.put("m1", "log-1.service")
    cluster.submit("log-0.service", is_global=True, conflicts=["log-1.service"])
    assert cluster.plan() == idle({"log-0.service": "1 machine runs log-1.service, which conflicts"})


def test_a_global_unit_moves_what_conflicts_and_comes_when_that_is_gone() -> None:
    cluster = Cluster.of("m1", make_machine("m2", cordoned=True))
    cluster.submit("web.service")
    cluster.put("m1", "web.service")
    cluster.submit("scan.service", is_global=True, conflicts=["web*"])
    planned = cluster.plan()
    assert reasons(planned) == ["takes web.service from m1: scan.service, a global unit, comes to m1 and conflicts"]
    assert planned.pending == {
        "scan.service": "1 machine is cordoned; 1 runs web.service, which conflicts",
        "web.service": "waits for m1 to stop it",
    }
    cluster.carry_out(planned)
    assert cluster.plan().actions == ()
    cluster.let_agents_work()
    assert told(cluster.plan()) == ["place scan.service m1"]
    cluster.settle()
    assert cluster.plan().pending == {"web.service": "1 machine is cordoned; 1 runs scan.service, which conflicts"}


def test_a_global_unit_that_comes_to_conflict_by_a_new_text_stays_and_the_other_leaves() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("log.service", is_global=True)
    cluster.put("m1", "log.service", epoch=60)
    cluster.submit("web.service")
    cluster.put("m1", "web.service", epoch=40)
    cluster.submit("log.service", text="text-2", is_global=True, conflicts=["web*"])
    assert told(cluster.plan()) == ["unplace web.service m1", "update log.service m1"]


def test_room_for_a_global_unit_is_kept_while_others_are_being_stopped() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("scan.service", is_global=True, conflicts=["web*", "www*"])
    cluster.submit("web.service", goal="inactive")
    cluster.report("m1", "web.service")
    cluster.submit("www.service")
    assert cluster.plan().actions == ()
    cluster.settle()
    assert cluster.where() == {"scan.service": ["m1"]}


def test_a_global_unit_does_not_move_what_conflicts_from_a_machine_that_it_cannot_have() -> None:
    cluster = Cluster.of(make_machine("m1", cordoned=True))
    cluster.submit("web.service")
    cluster.put("m1", "web.service")
    cluster.submit("scan.service", is_global=True, conflicts=["web*"])
    assert cluster.plan().actions == ()


def test_a_global_unit_that_becomes_an_ordinary_one_stays_in_one_place() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    cluster.submit("log.service", is_global=True)
    cluster.settle()
    cluster.submit("log.service", text="text-2")
    assert told(cluster.plan()) == ["unplace log.service m2", "unplace log.service m3", "update log.service m1"]


def test_an_ordinary_unit_that_becomes_global_spreads_and_is_not_moved() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log.service")
    cluster.settle()
    cluster.submit("log.service", text="text-2", is_global=True)
    assert told(cluster.plan()) == ["update log.service m1", "place log.service m2"]


def test_a_destroyed_global_unit_leaves_every_machine() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log.service", is_global=True)
    cluster.settle()
    cluster.destroy("log.service")
    assert told(cluster.plan()) == ["unplace log.service m1", "unplace log.service m2"]


def test_a_global_unit_that_is_just_being_stopped_everywhere_is_pending() -> None:
    cluster = Cluster.of("m1", make_machine("m2", cordoned=True))
    cluster.submit("log.service", uid=2, is_global=True)
    cluster.report("m1", "log.service", uid=1)
    assert cluster.plan() == idle({"log.service": "1 machine is cordoned; waits for m1 to stop it"})


def test_a_global_unit_waits_on_each_machine_for_its_own_namesake_alone() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log.service", uid=2, is_global=True)
    cluster.report("m1", "log.service", uid=1)
    assert told(cluster.plan()) == ["place log.service m2"]
