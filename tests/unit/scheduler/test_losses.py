from __future__ import annotations

from fleetpy.ids import MachineID
from fleetpy_scheduler.losses import Losses

A, B, C = (MachineID(digit * 32) for digit in "abc")


def test_a_machine_is_lost_from_when_it_was_first_missed_until_it_is_back() -> None:
    losses = Losses(remember=300.0)
    assert losses.update({A}, {A, B}, 1.0) == {}
    assert losses.update({A}, {B}, 2.0) == {A: 2.0}
    assert losses.update({A}, {B}, 3.0) == {A: 2.0}
    assert losses.update({A}, {A, B}, 4.0) == {}


def test_a_machine_that_has_placements_and_was_never_seen_is_lost_from_the_first_look_on() -> None:
    assert Losses(remember=300.0).update({C}, {A}, 5.0) == {C: 5.0}


def test_a_machine_with_nothing_left_is_remembered_for_a_while() -> None:
    losses = Losses(remember=300.0)
    losses.update({A}, {A, B}, 1.0)
    losses.update({A}, {B}, 2.0)
    assert losses.update(set(), {B}, 3.0) == {A: 2.0}
    assert losses.update(set(), {B}, 302.0) == {}


def test_a_machine_with_placements_is_lost_however_long_it_stays_away() -> None:
    losses = Losses(remember=300.0)
    losses.update({A}, {B}, 1.0)
    assert losses.update({A}, {B}, 1000.0) == {A: 1.0}
