"""The order and the words of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.ids import Epoch, MachineID, UnitHash, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Place, Unplace, Update, in_order
from fleetpy.planner.words import enumerated

if TYPE_CHECKING:
    from fleetpy.planner.actions import Action


def place(machine: str, name: str) -> Place:
    return Place(
        MachineID(machine),
        UnitName(name),
        UnitUID(1),
        UnitHash("text"),
        UnitGoal.LAUNCHED,
        Epoch(1),
        None,
        "it is to be launched",
    )


def update(machine: str, name: str) -> Update:
    return Update(
        MachineID(machine),
        UnitName(name),
        UnitUID(1),
        UnitHash("text"),
        UnitGoal.LOADED,
        Epoch(1),
        None,
        "it is to be loaded",
    )


def unplace(machine: str, name: str) -> Unplace:
    return Unplace(MachineID(machine), UnitName(name), "the unit was destroyed")


def test_what_is_taken_comes_before_what_is_updated_and_that_before_what_is_given() -> None:
    actions: list[Action] = [
        place("m1", "a"),
        update("m1", "b"),
        unplace("m2", "c"),
        unplace("m1", "d"),
        place("m1", "A"),
    ]
    assert in_order(actions) == (
        unplace("m1", "d"),
        unplace("m2", "c"),
        update("m1", "b"),
        place("m1", "A"),
        place("m1", "a"),
    )


def test_an_action_is_a_sentence_of_the_planner() -> None:
    assert str(place("m1", "a.service")) == "gives a.service to m1: it is to be launched"
    assert str(update("m1", "a.service")) == "updates a.service on m1: it is to be loaded"
    assert str(unplace("m1", "a.service")) == "takes a.service from m1: the unit was destroyed"


def test_few_things_are_all_named_and_many_are_counted() -> None:
    assert enumerated(["a"]) == "a"
    assert enumerated(["a", "b"]) == "a and b"
    assert enumerated(["a", "b", "c", "d"]) == "a, b, c and d"
    assert enumerated(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
