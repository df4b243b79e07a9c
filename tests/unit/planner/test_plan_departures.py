"""Who leaves, who stays, and what is updated where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetpy.ids import Epoch, MachineID, UnitHash, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Unplace, Update
from fleetpy.planner.plan import Plan
from tests.unit.planner.builders import Cluster, idle, make_machine, reasons, told

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine


def running(*machines: str | Machine, **options: Any) -> Cluster:
    """web.service runs on m1."""
    cluster = Cluster.of(*machines)
    cluster.submit("web.service", **options)
    cluster.put("m1", "web.service")
    return cluster


def test_a_unit_that_is_as_it_should_be_is_left_alone() -> None:
    assert running("m1", "m2").plan() == idle()


def test_a_unit_that_is_to_be_inactive_is_taken_off() -> None:
    cluster = running("m1")
    cluster.change("web.service", goal=UnitGoal.INACTIVE)
    assert reasons(cluster.plan()) == ["takes web.service from m1: the unit is to be inactive"]


def test_a_destroyed_unit_is_taken_off() -> None:
    cluster = running("m1")
    cluster.destroy("web.service")
    assert cluster.plan() == Plan(
        (Unplace(MachineID("m1"), UnitName("web.service"), "the unit was destroyed"),), {}, None
    )


def test_a_unit_destroyed_and_submitted_again_is_stopped_before_it_is_placed() -> None:
    cluster = running("m1")
    cluster.submit("web.service", uid=2, text="text-2")
    planned = cluster.plan()
    assert reasons(planned) == ["takes web.service from m1: the unit was destroyed and submitted again"]
    assert planned.pending == {"web.service": "waits for m1 to stop it"}
    cluster.carry_out(planned)
    assert cluster.plan().actions == ()
    cluster.let_agents_work()
    assert told(cluster.plan()) == ["place web.service m1"]


def test_a_new_text_goes_to_the_machine_that_has_the_unit_with_its_epoch() -> None:
    cluster = running("m1", "m2")
    cluster.change("web.service", hash=UnitHash("text-2"))
    assert cluster.plan().actions == (
        Update(
            MachineID("m1"),
            UnitName("web.service"),
            UnitUID(1),
            UnitHash("text-2"),
            UnitGoal.LAUNCHED,
            Epoch(50),
            None,
            "its text has changed",
        ),
    )


def test_a_new_goal_is_an_update() -> None:
    cluster = running("m1")
    cluster.change("web.service", goal=UnitGoal.LOADED)
    assert reasons(cluster.plan()) == ["updates web.service on m1: it is to be loaded"]


def test_a_restart_stamp_is_an_update() -> None:
    cluster = running("m1")
    cluster.change("web.service", restarted="now")
    assert reasons(cluster.plan()) == ["updates web.service on m1: a restart was asked for"]


def test_several_news_are_one_update() -> None:
    cluster = running("m1", goal="loaded")
    cluster.change("web.service", hash=UnitHash("text-2"), goal=UnitGoal.LAUNCHED, restarted="now")
    assert reasons(cluster.plan()) == [
        "updates web.service on m1: its text has changed, it is to be launched, a restart was asked for"
    ]


def test_a_new_text_that_the_machine_does_not_suit_moves_the_unit_instead() -> None:
    cluster = running(make_machine("m1"), make_machine("m2", region="eu"))
    cluster.submit("web.service", text="text-2", metadata={"region": "eu"})
    assert [told(planned) for planned in cluster.settle()] == [["unplace web.service m1"], ["place web.service m2"]]


def test_a_new_text_that_conflicts_with_a_neighbour_moves_the_unit_and_not_the_neighbour() -> None:
    cluster = running("m1", "m2")
    cluster.submit("db.service")
    cluster.put("m1", "db.service", epoch=60)
    cluster.submit("web.service", text="text-2", conflicts=["db.service"])
    assert reasons(cluster.plan()) == ["takes web.service from m1: m1 has db.service, which conflicts"]


def test_of_two_changed_units_that_conflict_the_longer_placed_one_stays() -> None:
    cluster = running("m1", "m2")
    cluster.submit("db.service")
    cluster.put("m1", "db.service", epoch=40)
    cluster.submit("web.service", text="text-2", conflicts=["db.service"])
    cluster.submit("db.service", text="text-2")
    assert told(cluster.plan()) == ["unplace web.service m1", "update db.service m1"]


def test_removed_metadata_moves_a_unit_in_two_plans() -> None:
    cluster = Cluster.of(make_machine("m1", region="eu"), make_machine("m2", region="eu"))
    cluster.submit("web.service", metadata={"region": "eu"})
    cluster.put("m1", "web.service")
    cluster.join(make_machine("m1"))
    planned = cluster.plan()
    assert reasons(planned) == ["takes web.service from m1: m1 lacks region=eu"]
    assert planned.pending == {"web.service": "waits for m1 to stop it"}
    cluster.carry_out(planned)
    assert cluster.plan().pending == {"web.service": "waits for m1 to stop it"}
    cluster.let_agents_work()
    assert told(cluster.plan()) == ["place web.service m2"]


def test_a_broken_rule_moves_a_unit_even_if_it_has_nowhere_to_go() -> None:
    cluster = running(make_machine("m1"), metadata={"region": "eu"})
    cluster.settle()
    assert cluster.where() == {}
    assert cluster.plan().pending == {"web.service": "1 machine lacks region=eu"}


def test_a_cordoned_machine_keeps_what_it_has() -> None:
    cluster = running(make_machine("m1", cordoned=True), "m2")
    assert cluster.plan().actions == ()


def test_a_cordoned_machine_takes_updates_of_what_it_has() -> None:
    cluster = running(make_machine("m1", cordoned=True), "m2")
    cluster.change("web.service", hash=UnitHash("text-2"))
    assert told(cluster.plan()) == ["update web.service m1"]


def test_a_draining_machine_gives_up_what_it_has() -> None:
    cluster = running(make_machine("m1", draining=True), "m2")
    cluster.submit("log.service", is_global=True)
    cluster.put("m1", "log.service")
    cluster.put("m2", "log.service")
    assert reasons(cluster.plan()) == [
        "takes log.service from m1: m1 is draining",
        "takes web.service from m1: m1 is draining",
    ]
    cluster.settle()
    assert cluster.where() == {"log.service": ["m2"], "web.service": ["m2"]}


def test_a_unit_that_its_host_refuses_goes_elsewhere() -> None:
    cluster = running("m1", "m2")
    cluster.report("m1", "web.service", refused="the host has one")
    plans = cluster.settle()
    assert reasons(plans[0]) == ["takes web.service from m1: m1 refuses it: the host has one"]
    assert told(plans[1]) == ["place web.service m2"]


def test_of_two_copies_of_a_unit_the_newest_stays() -> None:
    cluster = running("m1", "m2")
    cluster.put("m2", "web.service", epoch=60)
    assert reasons(cluster.plan()) == ["takes web.service from m1: a unit runs in one place, and this one is on m2"]


def test_of_two_copies_of_a_unit_the_newest_on_a_machine_that_suits_stays() -> None:
    cluster = running("m1", make_machine("m2", draining=True))
    cluster.put("m2", "web.service", epoch=60)
    assert reasons(cluster.plan()) == ["takes web.service from m2: m2 is draining"]


def test_a_placement_that_no_agent_has_seen_yet_is_taken_back_as_any_other() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web.service")
    cluster.put("m1", "web.service", reported=False)
    cluster.destroy("web.service")
    assert told(cluster.plan()) == ["unplace web.service m1"]


def test_what_an_agent_reports_without_being_asked_is_its_own_to_clear() -> None:
    cluster = Cluster.of("m1")
    cluster.report("m1", "gone.service")
    assert cluster.plan() == idle()
