"""Where a unit is, where it would go, and why not elsewhere."""

from __future__ import annotations

from fleetpy.ids import MachineID, UnitName
from fleetpy.model.states import UnitGoal
from fleetpy.planner.explain import Explainer, Explanation, Verdict
from tests.unit.planner.builders import Cluster, make_machine


def verdict(machine: str, reason: str = "") -> Verdict:
    return Verdict(MachineID(machine), not reason, reason)


def test_a_name_that_is_no_units_is_explained_as_such() -> None:
    explained = Cluster.of("m1").explain("web.service")
    assert explained == Explanation(UnitName("web.service"), (), "", "there is no unit of this name", ())


def test_a_placed_unit_is_where_it_is() -> None:
    cluster = Cluster.of("m1", make_machine("m2", cordoned=True))
    cluster.submit("web.service")
    cluster.put("m1", "web.service")
    assert cluster.explain("web.service") == Explanation(
        UnitName("web.service"),
        (MachineID("m1"),),
        "",
        "it is on m1",
        (verdict("m1"), verdict("m2", "is cordoned")),
    )


def test_machines_are_called_by_the_beginning_of_their_ids() -> None:
    cluster = Cluster.of("0123456789abcdef0123456789abcdef")
    cluster.submit("web.service")
    cluster.settle()
    assert cluster.explain("web.service").summary == "it is on 01234567"


def test_a_unit_that_keeps_a_cordoned_machine_is_eligible_there() -> None:
    cluster = Cluster.of(make_machine("m1", cordoned=True))
    cluster.submit("web.service")
    cluster.put("m1", "web.service")
    assert cluster.explain("web.service").verdicts == (verdict("m1"),)


def test_a_unit_that_must_leave_its_machine_is_told_why() -> None:
    cluster = Cluster.of(make_machine("m1", draining=True))
    cluster.submit("web.service")
    cluster.put("m1", "web.service")
    assert cluster.explain("web.service").verdicts == (verdict("m1", "is draining"),)


def test_a_unit_that_is_just_being_placed_goes_to_the_least_loaded_machine() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    cluster.submit("other.service")
    cluster.put("m1", "other.service")
    cluster.submit("web.service")
    explained = cluster.explain("web.service")
    assert explained.summary == explained.pending == "it goes to m2"
    assert [one.machine for one in explained.verdicts] == ["m2", "m3", "m1"]


def test_a_pending_unit_is_told_why_machine_by_machine_and_in_one_sentence() -> None:
    cluster = Cluster.of("m1", "m2", "m3", make_machine("m4", region="eu"))
    cluster.submit("web@1.service")
    cluster.put("m4", "web@1.service")
    cluster.submit("web@2.service", metadata={"region": "eu"}, conflicts=["web@*.service"])
    assert cluster.explain("web@2.service") == Explanation(
        UnitName("web@2.service"),
        (),
        "3 machines lack region=eu; 1 runs web@1.service, which conflicts",
        "3 machines lack region=eu; 1 runs web@1.service, which conflicts",
        (
            verdict("m1", "lacks region=eu"),
            verdict("m2", "lacks region=eu"),
            verdict("m3", "lacks region=eu"),
            verdict("m4", "runs web@1.service, which conflicts"),
        ),
    )


def test_an_inactive_unit_is_told_where_it_would_go() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("web.service", goal="inactive", machine_id="m2")
    explained = cluster.explain("web.service")
    assert explained.pending == ""
    assert explained.summary == "it is not to be on any machine; if it were: it goes to m2"


def test_a_unit_that_is_being_stopped_is_waited_for() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("web.service", uid=2)
    cluster.put("m1", "web.service")
    cluster.submit("web.service", uid=3)
    assert cluster.explain("web.service").summary == "waits for m1 to stop it"


def test_a_unit_on_a_lost_machine_is_told_where_it_goes() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("web.service")
    cluster.put("m1", "web.service")
    cluster.lose("m1")
    assert cluster.explain("web.service").summary == "m1, which had it, is lost; it goes to m2"


def test_a_global_unit_is_told_on_how_many_machines_it_is_and_why_not_on_the_others() -> None:
    cluster = Cluster.of("m1", make_machine("m2", cordoned=True), make_machine("m3", draining=True), "m4")
    cluster.submit("log.service", is_global=True)
    cluster.put("m1", "log.service")
    cluster.report("m4", "log.service", refused="the host has one")
    explained = cluster.explain("log.service")
    assert explained.machines == ("m1",)
    assert explained.pending == ""
    assert explained.summary == (
        "it is on 1 of 4 machines; 1 machine is cordoned; 1 is draining; 1 refuses it: the host has one"
    )


def test_a_global_unit_that_is_everywhere_is_just_that() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log.service", is_global=True)
    cluster.settle()
    assert cluster.explain("log.service").summary == "it is on 2 of 2 machines"


def test_a_unit_whose_pattern_stands_for_itself_is_eligible_where_it_is() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("web@1.service", conflicts=["web@*.service"])
    cluster.put("m1", "web@1.service")
    assert cluster.explain("web@1.service").verdicts == (verdict("m1"),)


def test_units_of_one_kind_are_told_apart_where_one_was_refused() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("log.service", is_global=True, conflicts=["web@*.service"])
    cluster.settle()
    for number in (1, 2):
        cluster.submit(f"web@{number}.service")
    cluster.report("m1", "web@2.service", refused="the host has one")
    explainer = Explainer.of(cluster.snapshot())
    assert explainer.pending(UnitName("web@1.service")) == "2 machines run log.service, which conflicts"
    assert explainer.pending(UnitName("web@2.service")) == (
        "1 machine refuses it: the host has one; 1 runs log.service, which conflicts"
    )


def test_one_explainer_serves_many_units() -> None:
    cluster = Cluster.of("m1")
    for number in range(3):
        cluster.submit(f"web@{number}.service", metadata={"region": "eu"})
    cluster.submit("done.service")
    cluster.put("m1", "done.service")
    cluster.change("web@2.service", goal=UnitGoal.INACTIVE)
    explainer = Explainer.of(cluster.snapshot())
    assert {name: explainer.pending(name) for name in sorted(cluster.units)} == {
        "done.service": "",
        "web@0.service": "1 machine lacks region=eu",
        "web@1.service": "1 machine lacks region=eu",
        "web@2.service": "",
    }
