"""Where newcomers go."""

from __future__ import annotations

from fleetpy.ids import Epoch, MachineID, UnitHash, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Place
from fleetpy.planner.plan import Plan
from tests.unit.planner.builders import Cluster, idle, make_machine, told


def test_an_empty_cluster_has_nothing_to_do() -> None:
    assert Cluster().plan() == idle()


def test_a_unit_is_placed_as_it_is_wanted_with_the_revision_as_its_epoch() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service", uid=7, text="abc", goal="loaded", restarted="stamp")
    assert cluster.plan() == Plan(
        (
            Place(
                MachineID("m1"),
                UnitName("web.service"),
                UnitUID(7),
                UnitHash("abc"),
                UnitGoal.LOADED,
                Epoch(100),
                "stamp",
                "it is to be loaded, and is on no machine",
            ),
        ),
        {},
        None,
    )


def test_a_unit_that_is_to_be_inactive_is_neither_placed_nor_pending() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service", goal="inactive")
    assert cluster.plan() == idle()


def test_without_machines_every_unit_is_pending() -> None:
    cluster = Cluster()
    cluster.submit("web.service")
    assert cluster.plan().pending == {"web.service": "there are no machines in the cluster"}


def test_of_equally_loaded_machines_the_first_by_id_is_taken() -> None:
    cluster = Cluster.of("m2", "m1", "m3")
    cluster.submit("web.service")
    assert told(cluster.plan()) == ["place web.service m1"]


def test_units_spread_over_machines_by_load_in_the_order_of_their_names() -> None:
    cluster = Cluster.of("m1", "m2")
    for name in ("c.service", "a.service", "b.service"):
        cluster.submit(name)
    assert told(cluster.plan()) == ["place a.service m1", "place c.service m1", "place b.service m2"]


def test_loaded_units_count_as_launched_ones_do() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("a.service", goal="loaded")
    cluster.put("m1", "a.service")
    cluster.submit("b.service")
    assert told(cluster.plan()) == ["place b.service m2"]


def test_global_units_count_as_others_do() -> None:
    cluster = Cluster.of(make_machine("m1", region="eu"), make_machine("m2"))
    cluster.submit("log.service", is_global=True, metadata={"region": "eu"})
    cluster.submit("web.service")
    assert told(cluster.plan()) == ["place log.service m1", "place web.service m2"]


def test_what_a_machine_has_still_to_stop_counts_as_load() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.report("m1", "gone.service")
    cluster.submit("web.service")
    assert told(cluster.plan()) == ["place web.service m2"]


def test_a_less_loaded_machine_moves_nobody() -> None:
    cluster = Cluster.of("m1")
    for name in ("a.service", "b.service", "c.service"):
        cluster.submit(name)
    cluster.settle()
    cluster.join(make_machine("m2"))
    assert cluster.plan().actions == ()


def test_machine_id_decides_alone() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("a.service")
    cluster.put("m2", "a.service")
    cluster.submit("web.service", machine_id="m2")
    assert told(cluster.plan()) == ["place web.service m2"]


def test_a_unit_bound_to_a_machine_that_is_away_waits_for_it() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service", machine_id="m2")
    assert cluster.plan().pending == {"web.service": "it is bound to m2, which is not in the cluster"}


def test_a_unit_bound_to_a_cordoned_machine_is_told_so() -> None:
    cluster = Cluster.of("m1", make_machine("m2", cordoned=True))
    cluster.submit("web.service", machine_id="m2")
    assert cluster.plan().pending == {"web.service": "it is bound to m2, which is cordoned"}


def test_metadata_narrows_the_choice() -> None:
    cluster = Cluster.of(make_machine("m1", region="us"), make_machine("m2", region="eu"))
    cluster.submit("web.service", metadata={"region": "eu"})
    assert told(cluster.plan()) == ["place web.service m2"]


def test_any_of_the_values_of_a_key_will_do() -> None:
    cluster = Cluster.of(make_machine("m1", region="ap"), make_machine("m2", region="us"))
    cluster.submit("web.service", metadata={"region": "eu|us"})
    assert told(cluster.plan()) == ["place web.service m2"]


def test_cordoned_and_draining_machines_get_no_newcomers() -> None:
    cluster = Cluster.of(make_machine("m1", cordoned=True), make_machine("m2", draining=True), "m3")
    cluster.submit("web.service")
    cluster.submit("log.service", is_global=True)
    assert told(cluster.plan()) == ["place log.service m3", "place web.service m3"]


def test_units_that_conflict_are_kept_apart() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    for number in range(5):
        cluster.submit(f"conflict.{number}.service", conflicts=["conflict.*.service"])
    planned = cluster.plan()
    assert told(planned) == [
        "place conflict.0.service m1",
        "place conflict.1.service m2",
        "place conflict.2.service m3",
    ]
    assert list(planned.pending) == ["conflict.3.service", "conflict.4.service"]


def test_a_conflict_that_only_the_unit_already_there_declares_keeps_a_newcomer_away() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("picky.service", conflicts=["hello.service"])
    cluster.put("m1", "picky.service")
    cluster.submit("hello.service")
    assert cluster.plan().pending == {"hello.service": "1 machine runs picky.service, which conflicts"}


def test_a_unit_that_is_being_stopped_still_keeps_away_what_conflicts() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("picky.service", conflicts=["hello.service"], goal="inactive")
    cluster.report("m1", "picky.service")
    cluster.submit("hello.service")
    assert cluster.plan().pending == {"hello.service": "1 machine runs picky.service, which conflicts"}


def test_many_units_of_one_kind_fill_machines_that_others_have_loaded_unevenly() -> None:
    cluster = Cluster.of(*(f"m{number}" for number in range(6)))
    for number in range(30):
        cluster.submit(f"load{number}.service")
        cluster.put(f"m{number % 3}", f"load{number}.service")
    for number in range(8):
        cluster.submit(f"web@{number}.service", conflicts=["web@*.service"])
    planned = cluster.plan()
    assert told(planned) == [
        "place web@3.service m0",
        "place web@4.service m1",
        "place web@5.service m2",
        "place web@0.service m3",
        "place web@1.service m4",
        "place web@2.service m5",
    ]
    assert list(planned.pending) == ["web@6.service", "web@7.service"]


def test_a_host_that_refused_a_unit_is_passed_over() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("web.service")
    cluster.report("m1", "web.service", refused="the host has one")
    assert told(cluster.plan()) == ["place web.service m2"]


def test_what_a_host_refused_may_come_back_with_another_text() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service")
    cluster.report("m1", "web.service", refused="the host has one")
    assert cluster.plan().pending == {"web.service": "1 machine refuses it: the host has one"}
    cluster.submit("web.service", text="text-2")
    assert told(cluster.plan()) == ["place web.service m1"]


def test_what_a_host_refused_may_come_back_as_another_unit() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service", uid=2)
    cluster.report("m1", "web.service", uid=1, refused="the host has one")
    assert told(cluster.plan()) == ["place web.service m1"]


def test_a_unit_waits_until_another_machine_has_stopped_it() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("web.service")
    cluster.report("m2", "web.service")
    assert cluster.plan() == idle({"web.service": "waits for m2 to stop it"})
    cluster.let_agents_work()
    assert told(cluster.plan()) == ["place web.service m1"]


def test_a_unit_waits_also_for_its_namesake_on_the_machine_that_it_goes_to() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service", uid=2)
    cluster.report("m1", "web.service", uid=1)
    assert cluster.plan() == idle({"web.service": "waits for m1 to stop it"})


def test_reports_of_machines_that_are_not_live_hold_nothing_up() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service")
    cluster.report("m9", "web.service")
    assert told(cluster.plan()) == ["place web.service m1"]
