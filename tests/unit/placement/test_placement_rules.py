"""Each rule by itself, with surroundings that say exactly what the test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import MachineID, UnitName
from fleetpy.model.cluster import Machine
from fleetpy.placement.conflicts import AvoidsConflicts, in_conflict
from fleetpy.placement.machine_id import RequiresMachineID
from fleetpy.placement.machine_of import RequiresMachineOf
from fleetpy.placement.metadata import RequiresMetadata
from fleetpy.placement.refused import NotRefused
from fleetpy.placement.replaces import AvoidsReplacers, names_as_replaced
from fleetpy.placement.rules import ALL_RULES, STAYING_RULES, applying, refusal
from fleetpy.placement.schedulable import NotCordoned, NotDraining
from tests.unit.planner.builders import make_machine, make_unit

if TYPE_CHECKING:
    from fleetpy.model.cluster import Unit
    from fleetpy.placement.refusal import Refusal
    from fleetpy.placement.rule import Rule, Surroundings


@dataclass
class Said:
    """Surroundings that answer the same for every machine."""

    here: set[str] = field(default_factory=set)
    conflict: str | None = None
    replacer: str | None = None
    why: str | None = None

    def has(self, machine: MachineID, name: UnitName) -> bool:  # noqa: ARG002 - the protocol's face
        return name in self.here

    def conflicting(self, machine: MachineID, unit: Unit) -> UnitName | None:  # noqa: ARG002
        return None if self.conflict is None else UnitName(self.conflict)

    def replacing(self, machine: MachineID, unit: Unit) -> UnitName | None:  # noqa: ARG002
        return None if self.replacer is None else UnitName(self.replacer)

    def refused(self, machine: MachineID, unit: Unit) -> str | None:  # noqa: ARG002
        return self.why


PLAIN = make_unit("web.service")
M1 = make_machine("m1")


def check(rule: Rule, unit: Unit, machine: Machine = M1, around: Surroundings | None = None) -> Refusal | None:
    assert rule.applies(unit)
    return rule.check(unit, machine, around if around is not None else Said())


def test_a_unit_without_machine_id_is_bound_to_none() -> None:
    assert not RequiresMachineID().applies(PLAIN)


def test_a_unit_with_machine_id_passes_on_that_machine_alone() -> None:
    unit = make_unit("web.service", machine_id="m1")
    assert check(RequiresMachineID(), unit, make_machine("m1")) is None
    assert str(check(RequiresMachineID(), unit, make_machine("m2"))) == "is not m1"


def test_a_unit_without_metadata_asks_for_none() -> None:
    assert not RequiresMetadata().applies(PLAIN)


@pytest.mark.parametrize(
    ("asked", "has", "said"),
    [
        ({"region": "eu"}, {"region": "eu"}, None),
        ({"region": "eu"}, {"region": "eu", "disk": "ssd"}, None),
        ({"region": "eu|us"}, {"region": "us"}, None),
        ({"region": "eu"}, {"region": "us"}, "lacks region=eu"),
        ({"region": "eu"}, {}, "lacks region=eu"),
        ({"region": "us|eu"}, {}, "lacks region=eu or us"),
        ({"region": "eu", "disk": "ssd"}, {"region": "eu"}, "lacks disk=ssd"),
        ({"region": "eu", "disk": "ssd"}, {}, "lacks disk=ssd and region=eu"),
    ],
)
def test_metadata_wants_one_value_of_each_key(asked: dict[str, str], has: dict[str, str], said: str | None) -> None:
    machine = Machine(MachineID("m1"), has)
    refused = check(RequiresMetadata(), make_unit("web.service", metadata=asked), machine)
    assert (None if refused is None else str(refused)) == said


def test_a_cordoned_machine_takes_no_newcomers() -> None:
    assert str(check(NotCordoned(), PLAIN, make_machine("m1", cordoned=True))) == "is cordoned"
    assert check(NotCordoned(), PLAIN) is None


def test_a_draining_machine_takes_nobody() -> None:
    assert str(check(NotDraining(), PLAIN, make_machine("m1", draining=True))) == "is draining"
    assert check(NotDraining(), PLAIN) is None


def test_a_cordon_is_no_reason_to_leave_and_draining_is() -> None:
    cordoned, draining = make_machine("m1", cordoned=True), make_machine("m1", draining=True)
    rules = applying(STAYING_RULES, PLAIN)
    assert refusal(rules, PLAIN, cordoned, Said()) is None
    assert str(refusal(rules, PLAIN, draining, Said())) == "is draining"


def test_a_unit_that_follows_nobody_goes_anywhere() -> None:
    assert not RequiresMachineOf().applies(PLAIN)


def test_a_follower_wants_all_its_leaders_there() -> None:
    unit = make_unit("side.service", machine_of=["a.service", "b.service"])
    assert check(RequiresMachineOf(), unit, around=Said(here={"a.service", "b.service"})) is None
    refused = check(RequiresMachineOf(), unit, around=Said(here={"a.service"}))
    assert str(refused) == "does not have b.service, which it follows"


def test_what_an_agent_refused_is_told_in_its_words() -> None:
    said = "/etc/systemd/system/web.service exists"
    assert str(check(NotRefused(), PLAIN, around=Said(why=said))) == f"refuses it: {said}"
    assert check(NotRefused(), PLAIN) is None


def test_a_conflict_is_told_by_name() -> None:
    assert (
        str(check(AvoidsConflicts(), PLAIN, around=Said(conflict="db.service"))) == "runs db.service, which conflicts"
    )
    assert check(AvoidsConflicts(), PLAIN) is None


def test_a_replacer_keeps_away_what_it_replaces() -> None:
    said = str(check(AvoidsReplacers(), PLAIN, around=Said(replacer="new.service")))
    assert said == "runs new.service, which replaces it"
    assert check(AvoidsReplacers(), PLAIN) is None


def test_nobody_replaces_a_global_unit() -> None:
    everywhere = make_unit("log.service", is_global=True)
    assert not AvoidsReplacers().applies(everywhere)
    assert not names_as_replaced(make_unit("new.service", replaces=["log.service"]), everywhere)


def test_conflicts_hold_in_both_directions() -> None:
    one, other = make_unit("web@1.service", conflicts=["db*"]), make_unit("db.service")
    assert in_conflict(one, other)
    assert in_conflict(other, one)


def test_a_unit_does_not_conflict_with_itself_whatever_its_pattern() -> None:
    unit = make_unit("web@1.service", conflicts=["web@*.service"])
    assert not in_conflict(unit, unit)
    assert in_conflict(unit, make_unit("web@2.service"))


def test_replacing_goes_one_way() -> None:
    one, other = make_unit("new.service", replaces=["old*"]), make_unit("old.service")
    assert names_as_replaced(one, other)
    assert not names_as_replaced(other, one)


def test_the_first_rule_that_refuses_is_the_one_that_is_told() -> None:
    unit = make_unit("web.service", metadata={"region": "eu"})
    machine = make_machine("m1", cordoned=True)
    around = Said(conflict="db.service")
    assert str(refusal(applying(ALL_RULES, unit), unit, machine, around)) == "lacks region=eu"
    assert str(refusal(applying(ALL_RULES, PLAIN), PLAIN, machine, around)) == "is cordoned"
    assert str(refusal(applying(ALL_RULES, PLAIN), PLAIN, M1, around)) == "runs db.service, which conflicts"
    assert refusal(applying(ALL_RULES, PLAIN), PLAIN, M1, Said()) is None
