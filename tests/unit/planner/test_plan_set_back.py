"""What runs on though the registry was set back to a state that does not have it there."""

from __future__ import annotations

from fleetpy.ids import UnitHash
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Place, Update
from tests.unit.planner.builders import TEXT, Cluster, idle, make_machine, reasons, told

OTHER_TEXT = UnitHash("text-2")


def adrift(*machines: str) -> Cluster:
    """web.service runs on m2, and nobody knows why."""
    cluster = Cluster.of(*machines)
    cluster.report("m2", "web.service", uid=7, adrift=True)
    return cluster


def test_what_nobody_wants_is_left_alone() -> None:
    cluster = adrift("m1", "m2")
    assert cluster.plan() == idle()
    cluster.submit("web.service", goal="inactive")
    assert cluster.plan() == idle()


def test_what_is_wanted_is_at_home_where_it_runs() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("web.service")
    planned = cluster.plan()
    assert reasons(planned) == ["gives web.service to m2: it runs there since before the registry was set back"]
    assert planned.pending == {}
    cluster.carry_out(planned)
    assert cluster.plan() == idle()
    assert cluster.settle() == []


def test_of_two_copies_the_one_that_has_run_on_stays() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("web.service", uid=7)
    cluster.put("m1", "web.service")
    cluster.settle()
    assert cluster.where() == {"web.service": ["m2"]}


def test_a_global_unit_is_taken_over_on_each_machine() -> None:
    cluster = adrift("m1", "m2")
    cluster.report("m1", "web.service", uid=7, adrift=True)
    cluster.submit("web.service", is_global=True)
    assert told(cluster.plan()) == ["place web.service m1", "place web.service m2"]


def test_where_it_may_not_stay_it_leaves_by_the_next_plan() -> None:
    cluster = adrift("m1", "m2")
    cluster.join(make_machine("m1", region="eu"))
    cluster.submit("web.service", metadata={"region": "eu"})
    cluster.settle()
    assert cluster.where() == {"web.service": ["m1"]}


def test_what_runs_twice_is_taken_over_once() -> None:
    cluster = adrift("m1", "m2")
    cluster.report("m1", "web.service", uid=7, adrift=True)
    cluster.submit("web.service")
    cluster.settle()
    assert cluster.where() == {"web.service": ["m1"]}


def test_what_its_agent_has_not_yet_seen_taken_over_is_told_to_go_and_waited_for() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("old.service")
    cluster.put("m2", "old.service")
    cluster.submit("web.service", conflicts=["old.service"])
    cluster.carry_out(cluster.plan())
    going = cluster.plan()
    assert told(going) == ["update web.service m2"]
    assert isinstance(going.actions[0], Update)
    assert going.actions[0].goal is UnitGoal.INACTIVE
    cluster.carry_out(going)
    assert told(cluster.plan()) == []
    cluster.settle()
    assert cluster.where() == {"old.service": ["m2"], "web.service": ["m1"]}


def test_what_is_destroyed_before_its_agent_has_seen_it_taken_over_does_not_run_on() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("web.service")
    cluster.carry_out(cluster.plan())
    cluster.destroy("web.service")
    cluster.settle()
    assert cluster.where() == {}
    assert cluster.reports == {}


def test_what_is_to_be_inactive_again_is_stopped() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("web.service")
    cluster.settle()
    cluster.change("web.service", goal=UnitGoal.INACTIVE)
    cluster.settle()
    assert cluster.where() == {}
    assert cluster.reports == {}


def test_what_is_taken_over_makes_room_for_a_global_unit_by_the_next_plan() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("web.service")
    cluster.submit("all.service", is_global=True, conflicts=["web.service"])
    assert told(cluster.plan()) == ["place all.service m1", "place web.service m2"]
    cluster.settle()
    assert cluster.where() == {"all.service": ["m1", "m2"]}


def test_what_is_taken_over_makes_way_for_who_replaces_it_by_the_next_plan() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("web.service", metadata={"region": "eu"})
    cluster.submit("new.service", replaces=["web.service"])
    cluster.join(make_machine("m1", region="eu"))
    assert told(cluster.plan()) == ["place new.service m2", "place web.service m2"]
    cluster.settle()
    assert cluster.where() == {"new.service": ["m2"], "web.service": ["m1"]}


def test_what_is_wanted_with_another_text_is_taken_over_with_the_one_that_it_runs_with() -> None:
    cluster = adrift("m1", "m2")
    cluster.submit("web.service")
    cluster.change("web.service", hash=OTHER_TEXT)
    taken = cluster.plan()
    assert isinstance(taken.actions[0], Place)
    assert taken.actions[0].hash == TEXT
    cluster.carry_out(taken)
    assert reasons(cluster.plan()) == ["updates web.service on m2: its text has changed"]
    cluster.settle()
    assert cluster.where() == {"web.service": ["m2"]}


def test_of_two_that_are_taken_over_none_gets_a_text_that_conflicts_with_the_other() -> None:
    cluster = adrift("m1", "m2")
    cluster.report("m2", "old.service", uid=8, adrift=True)
    cluster.submit("old.service")
    cluster.submit("web.service", conflicts=["old.service"])
    cluster.change("web.service", hash=OTHER_TEXT)
    taken = cluster.plan()
    assert [action.hash for action in taken.actions if isinstance(action, Place)] == [TEXT, TEXT]
    cluster.carry_out(taken)
    going = cluster.plan()
    assert told(going) == ["update web.service m2"]
    assert isinstance(going.actions[0], Update)
    assert going.actions[0].goal is UnitGoal.INACTIVE
    cluster.settle()
    assert cluster.where() == {"old.service": ["m2"], "web.service": ["m1"]}
