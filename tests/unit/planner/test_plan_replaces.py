"""`Replaces`: takes the machine of the unit that it names, which moves elsewhere."""

from __future__ import annotations

from tests.unit.planner.builders import Cluster, idle, make_machine, reasons, told


def test_a_unit_takes_the_machine_of_the_one_that_it_replaces_which_moves_elsewhere() -> None:
    """The original's TestScheduleReplace."""
    cluster = Cluster.of("m0", "m1")
    cluster.submit("replace.0.service")
    cluster.put("m0", "replace.0.service")
    cluster.submit("replace.1.service")
    cluster.submit("replace.2.service", machine_of=["replace.1.service"])
    cluster.put("m1", "replace.1.service", "replace.2.service")
    cluster.submit("replace-kick0.service", replaces=["replace.0.service"])
    plans = cluster.settle()
    assert reasons(plans[0]) == [
        "takes replace.0.service from m0: replace-kick0.service takes its machine, and replaces it there",
        "gives replace-kick0.service to m0: it takes the machine of replace.0.service",
    ]
    assert plans[0].pending == {"replace.0.service": "waits for m0 to stop it"}
    assert told(plans[1]) == ["place replace.0.service m1"]
    assert len(plans) == 2


def test_the_machine_of_the_replaced_unit_is_taken_even_if_others_are_less_loaded() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("old.service")
    cluster.submit("other.service")
    cluster.put("m2", "old.service", "other.service")
    cluster.submit("new.service", replaces=["old.service"])
    assert told(cluster.plan()) == ["unplace old.service m2", "place new.service m2"]


def test_of_several_machines_to_take_the_least_loaded_is_taken_and_the_others_are_left() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    for number in (1, 2):
        cluster.submit(f"old@{number}.service")
        cluster.put(f"m{number}", f"old@{number}.service")
    cluster.submit("other.service")
    cluster.put("m1", "other.service")
    cluster.submit("new.service", replaces=["old@*.service"])
    cluster.settle()
    assert cluster.where() == {
        "new.service": ["m2"],
        "old@1.service": ["m1"],
        "old@2.service": ["m3"],
        "other.service": ["m1"],
    }


def test_every_replaced_unit_on_the_machine_makes_way() -> None:
    cluster = Cluster.of("m1", "m2")
    for number in (1, 2):
        cluster.submit(f"old@{number}.service")
        cluster.put("m1", f"old@{number}.service")
    cluster.submit("new.service", replaces=["old@*.service"])
    planned = cluster.plan()
    assert told(planned) == ["unplace old@1.service m1", "unplace old@2.service m1", "place new.service m1"]
    assert planned.actions[2].reason == "it takes the machine of old@1.service and old@2.service"


def test_followers_of_a_replaced_unit_go_with_it() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("old.service")
    cluster.submit("side.service", machine_of=["old.service"])
    cluster.put("m1", "old.service", "side.service")
    cluster.submit("new.service", replaces=["old.service"])
    assert told(cluster.plan()) == ["unplace old.service m1", "unplace side.service m1", "place new.service m1"]
    cluster.settle()
    assert cluster.where() == {"new.service": ["m1"], "old.service": ["m2"], "side.service": ["m2"]}


def test_a_replaced_unit_with_nowhere_else_to_go_is_pending() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("old.service")
    cluster.put("m1", "old.service")
    cluster.submit("new.service", replaces=["old.service"])
    cluster.settle()
    assert cluster.where() == {"new.service": ["m1"]}
    assert cluster.plan() == idle({"old.service": "1 machine runs new.service, which replaces it"})


def test_a_unit_never_comes_to_where_its_replacer_is() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("new.service", replaces=["old.service"])
    cluster.submit("other.service")
    cluster.put("m1", "new.service")
    cluster.put("m2", "other.service")
    cluster.submit("old.service")
    assert told(cluster.plan()) == ["place old.service m2"]


def test_a_replacer_that_has_a_machine_does_not_go_after_the_other() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("new.service", replaces=["old.service"])
    cluster.submit("old.service")
    cluster.put("m1", "new.service")
    cluster.put("m2", "old.service")
    assert cluster.plan().actions == ()


def test_a_unit_that_comes_to_replace_its_neighbour_by_a_new_text_moves_it() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("new.service")
    cluster.submit("old.service")
    cluster.put("m1", "new.service", "old.service")
    cluster.submit("new.service", text="text-2", replaces=["old.service"])
    assert told(cluster.plan()) == ["unplace old.service m1", "update new.service m1"]


def test_a_machine_that_does_not_suit_is_not_taken() -> None:
    cluster = Cluster.of("m1", make_machine("m2", region="eu"))
    cluster.submit("old.service")
    cluster.put("m1", "old.service")
    cluster.submit("new.service", replaces=["old.service"], metadata={"region": "eu"})
    assert told(cluster.plan()) == ["place new.service m2"]


def test_with_nobody_to_replace_a_unit_goes_where_any_other_would() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("other.service")
    cluster.put("m1", "other.service")
    cluster.submit("new.service", replaces=["old.service"])
    assert told(cluster.plan()) == ["place new.service m2"]


def test_a_chain_of_replacements_comes_to_rest() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    cluster.submit("b.service", replaces=["c.service"])
    cluster.submit("c.service")
    cluster.put("m1", "b.service")
    cluster.put("m2", "c.service")
    cluster.submit("a.service", replaces=["b.service"])
    cluster.settle()
    assert cluster.where() == {"a.service": ["m1"], "b.service": ["m2"], "c.service": ["m3"]}


def test_who_makes_way_itself_moves_nobody() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("a.service", replaces=["b.service"])
    cluster.submit("b.service", replaces=["c.service"])
    cluster.submit("c.service")
    cluster.put("m1", "a.service", "b.service", "c.service")
    assert told(cluster.plan()) == ["unplace b.service m1"]


def test_two_units_that_replace_each_other_do_not() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("a.service", replaces=["b.service"])
    cluster.submit("b.service", replaces=["a.service"])
    cluster.settle()
    assert cluster.where() == {"a.service": ["m1"], "b.service": ["m1"]}


def test_a_longer_circle_of_replacements_is_ignored_as_well() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("a.service", replaces=["b.service"])
    cluster.submit("b.service", replaces=["c.service"])
    cluster.submit("c.service", replaces=["a.service"])
    assert told(cluster.plan()) == ["place a.service m1", "place c.service m1", "place b.service m2"]


def test_a_unit_does_not_replace_whom_it_follows_through_another() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("a.service", machine_of=["b.service"], replaces=["c.service"])
    cluster.submit("b.service", machine_of=["c.service"])
    cluster.submit("c.service")
    cluster.settle()
    assert cluster.where() == {"a.service": ["m1"], "b.service": ["m1"], "c.service": ["m1"]}


def test_a_global_unit_is_not_replaced() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log.service", is_global=True)
    cluster.settle()
    cluster.submit("new.service", replaces=["log.service"])
    assert told(cluster.plan()) == ["place new.service m1"]
