from __future__ import annotations

import pytest

from fleetpy_lab.chaos.checker import check
from fleetpy_lab.chaos.faults import FaultKind
from fleetpy_lab.chaos.history import Late
from fleetpy_lab.chaos.load import LoadUnit
from fleetpy_lab.chaos.promises import Promises
from fleetpy_lab.chaos.spans import Span
from tests.unit.lab.chaos_histories import APART, BESIDE, CHANGING, EVERY, HOSTS, KEEP, ONCE, Story

ALONE_IN_TIME = 25.0
"""What a unit with OnPartition=stop may take to run elsewhere."""


def broken(story: Story) -> list[tuple[str, str, float]]:
    return [(one.promise, one.unit, one.at) for one in check(story.told(), Promises())]


def lost(kind: FaultKind, *, lasts: float = 40.0) -> Story:
    """A host is lost at 100 with a unit that runs elsewhere in time, and is not stopped where it was."""
    story = Story((KEEP,))
    story.struck(kind, "a", 100.0, 100.0 + lasts)
    story.ran("b", 112.0)
    return story


def test_a_unit_that_runs_all_the_time_breaks_nothing() -> None:
    story = Story()
    story.ran("a", 0.5)
    assert broken(story) == []


def test_it_is_late_by_what_it_took_beyond_ttl_and_grace() -> None:
    story = Story()
    story.ran("a", 14.0)
    (late,) = check(story.told(), Promises())
    assert (late.promise, late.at, late.what) == (
        "what can run runs",
        13.0,
        "ran nowhere for 14.0 s, 1.0 s longer than it may",
    )


def test_what_the_machine_itself_was_late_by_is_allowed_for_and_no_more() -> None:
    story = Story()
    story.ran("a", 14.0)
    story.late = [Late(3.0, 0.6), Late(20.0, 5.0)]
    assert broken(story) == [("what can run runs", KEEP.name, 13.6)]
    story.late = [Late(3.0, 0.6), Late(5.0, 0.4), Late(20.0, 5.0)]
    assert broken(story) == []


def test_units_of_a_dead_host_run_elsewhere_in_time() -> None:
    story = lost(FaultKind.HOST_KILLED)
    story.ran("a", 0.5, last=99.9)
    assert broken(story) == []


def test_a_dead_host_whose_units_never_run_again_is_told_until_it_is_back_and_from_then_on() -> None:
    story = Story()
    story.ran("a", 0.5, last=99.9)
    story.struck(FaultKind.HOST_KILLED, "a", 100.0, 140.0)
    assert broken(story) == [("what can run runs", KEEP.name, 113.0), ("what can run runs", KEEP.name, 153.0)]


def test_a_member_of_etcd_that_is_lost_soon_after_lets_leases_begin_anew() -> None:
    story = Story()
    story.ran("a", 0.5, last=99.9)
    story.struck(FaultKind.HOST_KILLED, "a", 100.0, 300.0)
    story.ran("b", 119.0)
    assert broken(story) == [("what can run runs", KEEP.name, 113.0)]
    story.struck(FaultKind.MEMBER_KILLED, "c", 106.5, 106.5)
    assert broken(story) == []
    story.strikes.pop()
    story.struck(FaultKind.MEMBER_FROZEN, "c", 90.0, 106.5)
    assert broken(story) == []


def test_a_stale_copy_may_run_on_until_its_host_is_registered_again() -> None:
    story = lost(FaultKind.HOST_CUT_OFF)
    story.ran("a", 0.5, 142.0)
    story.registrations["a"] = [50.0, 142.5]
    assert broken(story) == []
    story.registrations["a"] = [50.0, 141.5]
    assert broken(story) == [("twice while it is not noticed", KEEP.name, 141.5)]


def test_a_stale_copy_that_stays_is_told() -> None:
    story = lost(FaultKind.HOST_CUT_OFF)
    story.ran("a", 0.5, 200.0)
    assert ("twice while it is not noticed", KEEP.name, 153.0) in broken(story)


@pytest.mark.parametrize("kind", [FaultKind.AGENT_KILLED, FaultKind.SCHEDULER_KILLED, FaultKind.ETCD_FROZEN])
def test_a_run_that_ends_when_only_fleet_or_etcd_was_hurt_ended_for_no_reason(kind: FaultKind) -> None:
    story = Story()
    story.struck(kind, "a", 100.0, 120.0)
    story.ran("a", 0.5, 121.0)
    story.ran("a", 121.5)
    assert ("nothing ends without a cause", KEEP.name, 121.0) in broken(story)


def test_a_host_that_was_away_for_less_than_its_lease_gives_no_reason() -> None:
    story = Story()
    story.struck(FaultKind.HOST_CUT_OFF, "a", 100.0, 105.0)
    story.ran("a", 0.5, 106.0)
    story.ran("b", 105.5)
    assert ("nothing ends without a cause", KEEP.name, 106.0) in broken(story)


def test_a_lost_host_is_no_reason_for_a_unit_that_has_not_moved() -> None:
    story = Story()
    story.struck(FaultKind.AGENT_GONE, "a", 100.0, 112.0)
    story.ran("a", 0.5, 113.0)
    story.ran("a", 113.5)
    assert broken(story) == [("nothing ends without a cause", KEEP.name, 113.0)]


def test_a_run_of_which_nobody_heard_again_is_told() -> None:
    story = Story()
    story.ran("a", 0.5, last=300.0)
    story.ran("a", 301.0)
    found, gap = check(story.told(), Promises())
    assert gap.what == "ran nowhere for 1.0 s, 1.0 s longer than it may"
    assert found.what == "ended on a after 299.5 s, for no reason, and nobody noticed: there is no stamp of its end"


def test_a_unit_that_stops_on_a_partition_has_ended_before_it_runs_elsewhere() -> None:
    story = Story((ONCE,))
    story.struck(FaultKind.HOST_CUT_OFF, "a", 100.0, 140.0)
    story.ran("a", 0.5, 108.0)
    story.ran("b", 100.0 + ALONE_IN_TIME)
    assert broken(story) == []


def test_a_unit_that_stops_on_a_partition_never_runs_twice() -> None:
    story = Story((ONCE,))
    story.struck(FaultKind.HOST_CUT_OFF, "a", 100.0, 140.0)
    story.ran("a", 0.5, 108.0)
    story.ran("b", 107.9)
    assert broken(story) == [("never twice", ONCE.name, 107.9)]


def test_a_thawed_host_has_a_second_to_stop_its_stale_copy() -> None:
    story = Story((ONCE,))
    story.struck(FaultKind.HOST_PAUSED, "a", 100.0, 140.0)
    story.ran("b", 100.0 + ALONE_IN_TIME)
    story.ran("a", 0.5, 140.9)
    assert broken(story) == []
    story.runs.pop()
    story.ran("a", 0.5, 141.5)
    assert broken(story) == [("never twice", ONCE.name, 141.0)]


@pytest.mark.parametrize("unit", [ONCE, KEEP], ids=["stop", "keep"])
def test_a_host_that_was_frozen_for_a_moment_stops_nothing(unit: LoadUnit) -> None:
    story = Story((unit,))
    story.struck(FaultKind.HOST_PAUSED, "a", 100.0, 103.0)
    story.ran("a", 0.5, 103.2, unit=unit)
    story.ran("a", 104.0, unit=unit)
    assert broken(story) == [("nothing ends without a cause", unit.name, 103.2)]


def test_a_host_that_was_frozen_for_as_long_as_its_lease_may_last_stops_what_is_to_stop() -> None:
    story = Story((ONCE, KEEP))
    story.struck(FaultKind.HOST_PAUSED, "a", 100.0, 106.0)
    story.ran("a", 0.5, 106.2, unit=ONCE)
    story.ran("a", 107.0, unit=ONCE)
    story.ran("a", 0.5, unit=KEEP)
    assert broken(story) == []


def test_losing_etcd_for_longer_than_the_lease_stops_only_what_is_to_stop() -> None:
    story = Story((ONCE, KEEP))
    story.struck(FaultKind.ETCD_FROZEN, "", 100.0, 120.0)
    story.ran("a", 0.5, 108.0, unit=ONCE)
    story.ran("a", 123.0, unit=ONCE)
    story.ran("a", 0.5, unit=KEEP)
    assert broken(story) == []


def test_a_follower_may_wait_as_long_as_what_it_follows() -> None:
    story = Story((BESIDE, ONCE))
    story.struck(FaultKind.HOST_KILLED, "a", 100.0, 300.0)
    for unit in (BESIDE, ONCE):
        story.ran("a", 0.5, unit=unit, last=99.9)
        story.ran("b", 100.0 + ALONE_IN_TIME, unit=unit)
    assert broken(story) == []


@pytest.mark.parametrize("moves", ["to b", "to b and back", ""])
def test_a_host_that_is_back_may_start_a_follower_whose_leader_has_moved_and_stop_it_again(moves: str) -> None:
    follower = LoadUnit("beside-keep.service", leader=KEEP.name, stops=True)
    story = Story((follower, KEEP))
    story.struck(FaultKind.HOST_PAUSED, "a", 100.0, 114.0)
    story.ran("a", 0.5, 114.1, unit=KEEP)
    if moves:
        story.ran("b", 107.0, 114.15 if "back" in moves else None, unit=KEEP)
    if "back" in moves:
        story.ran("a", 114.2, unit=KEEP)
    story.ran("a", 0.5, 114.0, unit=follower)
    story.ran("a", 114.3, 114.4, unit=follower)
    story.ran("b", 114.6, unit=follower)
    why = [one.what for one in check(story.told(), Promises()) if one.promise == "nothing ends without a cause"]
    assert (not [what for what in why if "after 0.1 s" in what]) == (moves == "to b")


def test_a_global_unit_runs_on_each_host_that_is_not_lost() -> None:
    story = Story((EVERY,))
    for host in HOSTS[:-1]:
        story.ran(host, 0.5)
    story.struck(FaultKind.HOST_KILLED, "c", 5.0, 100.0)
    assert broken(story) == [("what can run runs", EVERY.name, 113.0)]


def test_what_was_stopped_may_not_run_on_and_what_is_replaced_neither() -> None:
    story = Story((CHANGING,))
    story.wish(100.0, CHANGING, text=None)
    story.wish(200.0, CHANGING, text=2)
    story.ran("a", 0.5, 120.0)
    story.ran("b", 201.0, text=2)
    assert broken(story) == [("what is not wanted does not run", CHANGING.name, 113.0)]
    story.runs.clear()
    story.ran("a", 0.5, 101.0)
    story.ran("b", 250.0, text=1)
    assert ("what is not wanted does not run", CHANGING.name, 250.0) in broken(story)


def test_a_machine_that_cannot_hear_of_a_wish_may_run_on() -> None:
    story = Story((CHANGING,))
    story.struck(FaultKind.HOST_CUT_OFF, "a", 90.0, 150.0)
    story.wish(100.0, CHANGING, text=None)
    story.ran("a", 0.5, 160.0)
    assert broken(story) == []


def test_conflicting_units_never_run_on_one_host_at_once() -> None:
    story = Story((APART, KEEP))
    story.ran("a", 0.5, 5.0, unit=APART)
    story.ran("b", 5.5, unit=APART)
    story.ran("a", 5.1, unit=KEEP)
    story.wish(4.5, APART, text=1)
    assert broken(story) == []
    story.ran("b", 600.0, unit=KEEP)
    assert ("conflicting units stay apart", APART.name, 600.0) in broken(story)


def test_while_most_hosts_are_cut_off_nothing_moves() -> None:
    story = Story((KEEP, ONCE))
    for host in HOSTS[1:]:
        story.struck(FaultKind.MOST_CUT_OFF, host, 100.0, 120.0)
    story.brakes = [Span(108.0, 120.5)]
    story.ran("b", 0.5, unit=KEEP)
    story.ran("b", 0.5, 107.0, unit=ONCE)
    story.ran("b", 121.0, unit=ONCE)
    assert broken(story) == []
    story.ran("a", 112.0, 121.0, unit=KEEP)
    assert ("the brake holds", KEEP.name, 112.0) in broken(story)


def test_epochs_grow_with_each_placement() -> None:
    story = Story()
    story.struck(FaultKind.HOST_KILLED, "a", 100.0, 140.0)
    story.ran("a", 0.5, last=99.9, epoch=7)
    story.ran("b", 110.0, epoch=7)
    assert broken(story) == [("epochs grow", KEEP.name, 110.0)]


def test_a_takeover_and_a_brake_hold_what_is_lost_for_longer() -> None:
    story = Story()
    story.struck(FaultKind.HOST_KILLED, "a", 100.0, 400.0)
    story.ran("a", 0.5, last=99.9)
    story.ran("b", 150.0)
    assert broken(story) == [("what can run runs", KEEP.name, 113.0)]
    story.brakes = [Span(108.0, 140.0)]
    assert broken(story) == []
    story.brakes, story.takeovers = [], [112.0, 124.0, 137.0]
    assert broken(story) == []
