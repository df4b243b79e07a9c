"""What becomes of units when their machine is gone."""

from __future__ import annotations

from typing import Any

import pytest

from fleetpy.ids import MachineID as M
from fleetpy.planner.brake import Brake
from fleetpy.unit.requirements import OnPartition
from tests.unit.planner.builders import NOW, Cluster, idle, make_machine, reasons, told, why_pending

STOP = OnPartition.STOP
FORGOTTEN = 3600.0


def lost(**options: Any) -> Cluster:
    """web.service was on m1, which is gone since 990 s; m2 is there."""
    cluster = Cluster.of("m1", "m2")
    cluster.submit("web.service", **options)
    cluster.put("m1", "web.service")
    cluster.lose("m1", at=NOW - 10)
    return cluster


def test_a_lost_machines_units_go_elsewhere_in_one_plan() -> None:
    cluster = lost()
    planned = cluster.plan()
    assert reasons(planned) == [
        "takes web.service from m1: the machine is lost, and the unit is on m2 now",
        "gives web.service to m2: it is to be launched, and is on no machine",
    ]
    assert planned.pending == {}
    assert planned.wake_at is None


def test_a_follower_goes_with_its_leader_from_a_lost_machine_in_one_plan() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    cluster.submit("leader.service")
    cluster.submit("follower.service", machine_of=["leader.service"])
    cluster.put("m1", "leader.service", "follower.service")
    cluster.lose("m1")
    assert told(cluster.plan()) == [
        "unplace follower.service m1",
        "unplace leader.service m1",
        "place follower.service m2",
        "place leader.service m2",
    ]


def test_losing_a_machine_moves_nothing_else() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    for number in range(12):
        cluster.submit(f"web@{number}.service")
    cluster.settle()
    its_own = {name for name, machines in cluster.where().items() if machines == ["m2"]}
    cluster.lose("m2")
    assert {action.name for action in cluster.plan().actions} == its_own


def test_a_machine_whose_loss_nobody_has_noted_is_lost_now() -> None:
    cluster = lost(on_partition=STOP)
    cluster.lost_at.clear()
    planned = cluster.plan(now=2000.0, lease=8.0, stop_bound=12.0)
    assert planned.actions == ()
    assert planned.wake_at == 2020.0


def test_a_new_leader_declares_nothing_dead_for_one_ttl() -> None:
    cluster = lost()
    cluster.led_since = 995.0
    assert cluster.plan(now=1004.9, ttl=10.0) == idle(
        {
            "web.service": (
                "m1, which had it, is lost; the scheduler has just begun to lead, and lets the machine turn up first"
            )
        },
        1005.0,
    )
    assert told(cluster.plan(now=1005.0, ttl=10.0)) == ["unplace web.service m1", "place web.service m2"]


def test_what_goes_missing_while_it_may_only_not_have_been_heard_gets_one_ttl_from_the_terms_beginning() -> None:
    cluster = lost()
    cluster.led_since, cluster.unheard_until = 985.0, 990.0
    assert told(cluster.plan(now=994.9, ttl=10.0)) == []
    assert cluster.plan(now=994.9, ttl=10.0).wake_at == 995.0
    assert told(cluster.plan(now=995.0, ttl=10.0)) == ["unplace web.service m1", "place web.service m2"]
    cluster.unheard_until = 989.9
    assert told(cluster.plan(now=994.9, ttl=10.0)) == ["unplace web.service m1", "place web.service m2"]


def test_a_new_leader_places_what_is_on_no_machine_at_once() -> None:
    cluster = lost()
    cluster.led_since = 995.0
    cluster.submit("new.service")
    assert told(cluster.plan()) == ["place new.service m2"]


def test_a_unit_that_stops_on_partition_waits_until_it_must_have_stopped() -> None:
    cluster = lost(on_partition=STOP)
    assert cluster.plan(now=1009.9, lease=8.0, stop_bound=12.0) == idle(
        {
            "web.service": (
                "m1, which had it, is lost; the machine must have stopped it by itself before it may start elsewhere"
            )
        },
        1010.0,
    )
    assert told(cluster.plan(now=1010.0, lease=8.0, stop_bound=12.0)) == [
        "unplace web.service m1",
        "place web.service m2",
    ]


def test_followers_of_a_held_unit_wait_with_it() -> None:
    cluster = lost(on_partition=STOP)
    cluster.submit("side.service", machine_of=["web.service"])
    cluster.put("m1", "side.service")
    planned = cluster.plan(lease=8.0, stop_bound=12.0)
    assert planned.actions == ()
    assert why_pending(planned, "side.service") == (
        "m1, which had it, is lost; it follows web.service, which is on no machine"
    )
    assert [action.name for action in cluster.plan(now=NOW + 10, lease=8.0, stop_bound=12.0).actions] == [
        "side.service",
        "web.service",
        "side.service",
        "web.service",
    ]


def test_the_longest_hold_counts() -> None:
    cluster = lost(on_partition=STOP)
    cluster.led_since = 995.0
    assert cluster.plan(ttl=10.0, lease=4.0, stop_bound=8.0).wake_at == 1005.0
    assert cluster.plan(ttl=10.0, lease=8.0, stop_bound=22.0).wake_at == 1020.0


def test_the_earliest_of_several_units_holds_wakes() -> None:
    cluster = Cluster.of("m1", "m2", "m3")
    for number, at in ((1, 985.0), (2, 990.0)):
        cluster.submit(f"web@{number}.service", on_partition=STOP)
        cluster.put(f"m{number}", f"web@{number}.service")
        cluster.lose(f"m{number}", at=at)
    assert cluster.plan(lease=8.0, stop_bound=12.0).wake_at == 1005.0


def test_a_text_that_is_not_known_any_more_may_have_been_one_that_stops() -> None:
    cluster = lost()
    cluster.submit("web.service", text="text-2")
    assert cluster.plan(lease=8.0, stop_bound=12.0).actions == ()
    assert told(cluster.plan(now=1010.0, lease=8.0, stop_bound=12.0)) == [
        "unplace web.service m1",
        "place web.service m2",
    ]


def test_a_unit_submitted_again_waits_for_the_copy_of_its_namesake_on_a_lost_machine() -> None:
    cluster = lost()
    cluster.submit("web.service", uid=2)
    assert cluster.plan(lease=8.0, stop_bound=12.0).actions == ()
    assert told(cluster.plan(now=1010.0, lease=8.0, stop_bound=12.0)) == [
        "unplace web.service m1",
        "place web.service m2",
    ]


def test_a_destroyed_unit_is_forgotten_when_its_lost_machine_must_have_stopped_it() -> None:
    cluster = lost()
    cluster.destroy("web.service")
    assert cluster.plan(lease=8.0, stop_bound=12.0) == idle(wake_at=1010.0)
    assert reasons(cluster.plan(now=1010.0, lease=8.0, stop_bound=12.0)) == [
        "takes web.service from m1: the unit was destroyed"
    ]


def test_what_can_go_nowhere_else_stays_placed_for_the_machine_to_return() -> None:
    cluster = lost(machine_id="m1")
    cluster.submit("log.service", is_global=True)
    cluster.put("m1", "log.service")
    cluster.put("m2", "log.service")
    assert cluster.plan() == idle(
        {"web.service": "m1, which had it, is lost; it is bound to m1, which is not in the cluster"},
        NOW - 10 + FORGOTTEN,
    )
    cluster.join(make_machine("m1"))
    assert cluster.plan() == idle()


def test_what_can_go_nowhere_else_is_forgotten_in_the_end() -> None:
    cluster = lost(machine_id="m1")
    cluster.submit("log.service", is_global=True)
    cluster.put("m1", "log.service")
    cluster.put("m2", "log.service")
    assert reasons(cluster.plan(now=NOW - 10 + FORGOTTEN)) == [
        "takes log.service from m1: the machine has been lost for long",
        "takes web.service from m1: the machine has been lost for long",
    ]


def test_a_machine_that_returns_in_time_keeps_its_units() -> None:
    cluster = lost(on_partition=STOP)
    cluster.carry_out(cluster.plan(lease=8.0, stop_bound=12.0))
    cluster.join(make_machine("m1"))
    assert cluster.plan(lease=8.0, stop_bound=12.0) == idle()


def test_a_machine_that_returns_too_late_loses_what_went_elsewhere() -> None:
    cluster = lost()
    cluster.carry_out(cluster.plan())
    cluster.let_agents_work()
    cluster.join(make_machine("m1"))
    cluster.report("m1", "web.service")
    assert cluster.plan() == idle()


def test_a_unit_that_is_on_a_live_machine_leaves_its_lost_one_at_once() -> None:
    cluster = lost(on_partition=STOP)
    cluster.put("m2", "web.service", epoch=60)
    assert reasons(cluster.plan()) == ["takes web.service from m1: the machine is lost, and the unit is on m2 now"]


def test_a_unit_that_a_live_machine_has_still_to_stop_waits_for_that_too() -> None:
    cluster = lost()
    cluster.report("m2", "web.service")
    assert cluster.plan().pending == {"web.service": "waits for m2 to stop it"}
    assert cluster.plan().actions == ()


def vanished(*, live: int, gone: int) -> Cluster:
    cluster = Cluster.of(*(f"m{number}" for number in range(live + gone)))
    for number in range(gone):
        cluster.submit(f"web@{number}.service")
        cluster.put(f"m{number}", f"web@{number}.service")
        cluster.lose(f"m{number}", at=NOW - 1 - number)
    return cluster


@pytest.mark.parametrize(("live", "gone"), [(2, 3), (0, 5), (8, 12)])
def test_when_most_machines_vanish_at_once_nothing_moves_for_a_while(live: int, gone: int) -> None:
    cluster = vanished(live=live, gone=gone)
    planned = cluster.plan(mass_loss_hold=60.0)
    assert planned.actions == ()
    assert why_pending(planned, "web@0.service") == (
        f"m0, which had it, is lost; {gone} of {live + gone} machines vanished at once, and are given time to return"
    )
    assert planned.wake_at == NOW - gone + 60.0


@pytest.mark.parametrize(("live", "gone"), [(3, 2), (9, 11), (1, 3), (0, 4)])
def test_when_fewer_vanish_or_the_cluster_is_small_they_are_lost(live: int, gone: int) -> None:
    cluster = vanished(live=live, gone=gone)
    planned = cluster.plan(mass_loss_hold=60.0)
    assert len(planned.actions) == (2 * gone if live else 0)
    assert not any("vanished" in why for why in planned.pending.values())


def test_machines_that_vanished_long_ago_do_not_count() -> None:
    cluster = vanished(live=2, gone=3)
    assert len(cluster.plan(now=NOW + 60.0, mass_loss_hold=60.0).actions) == 6


def test_an_operator_may_say_that_machines_that_vanished_are_lost() -> None:
    assert len(vanished(live=2, gone=3).plan(mass_loss_hold=0.0).actions) == 6


def test_machines_that_have_nothing_placed_on_them_count_among_the_vanished() -> None:
    cluster = vanished(live=2, gone=3)
    cluster.destroy("web@1.service")
    cluster.remove("m1", "web@1.service")
    assert cluster.plan(mass_loss_hold=60.0).actions == ()


def test_the_brake_says_whom_it_holds_and_until_when() -> None:
    planned = vanished(live=2, gone=3).plan(mass_loss_hold=60.0)
    assert planned.brake == Brake(held=(M("m0"), M("m1"), M("m2")), lost=3, total=5, until=NOW - 1 + 60.0, certain=True)
    assert vanished(live=3, gone=2).plan(mass_loss_hold=60.0).brake is None


def test_released_machines_lose_their_units_and_the_others_are_held_on() -> None:
    cluster = vanished(live=2, gone=3)
    cluster.released = frozenset([M("m1")])
    planned = cluster.plan(mass_loss_hold=60.0)
    assert told(planned) == ["unplace web@1.service m1", "place web@1.service m3"]
    assert planned.brake is not None
    assert planned.brake.held == ("m0", "m2")
    cluster.released = frozenset([M("m0"), M("m1"), M("m2")])
    planned = cluster.plan(mass_loss_hold=60.0)
    assert (len(planned.actions), planned.brake) == (6, None)


def test_a_released_machine_still_has_to_stop_what_must_never_run_twice() -> None:
    cluster = vanished(live=2, gone=3)
    cluster.submit("once.service", on_partition=STOP)
    cluster.put("m2", "once.service")
    cluster.released = frozenset([M("m2")])
    assert told(cluster.plan(mass_loss_hold=60.0, lease=8.0, stop_bound=12.0)) == [
        "unplace web@2.service m2",
        "place web@2.service m3",
    ]


def test_planning_is_due_when_the_brake_ends_although_it_holds_no_unit() -> None:
    cluster = Cluster.of("m1", "m2", "m3", "m4", "m5")
    for machine in ("m1", "m2", "m3"):
        cluster.lose(machine, at=NOW)
    assert cluster.plan(mass_loss_hold=60.0).wake_at == NOW + 60.0


def test_machines_that_have_fallen_silent_count_among_the_vanished() -> None:
    cluster = vanished(live=4, gone=1)
    assert len(cluster.plan(mass_loss_hold=60.0).actions) == 2
    cluster.silent = frozenset([M("m2"), M("m3")])
    planned = cluster.plan(mass_loss_hold=60.0)
    assert planned.actions == ()
    assert planned.brake == Brake(held=(M("m0"),), lost=3, total=5, until=NOW - 1 + 60.0, certain=False)


def test_machines_that_were_only_silent_let_the_brake_go_at_once() -> None:
    cluster = vanished(live=4, gone=1)
    cluster.silent = frozenset([M("m2"), M("m3")])
    cluster.brake = cluster.plan(mass_loss_hold=60.0).brake
    cluster.silent = frozenset()
    assert len(cluster.plan(mass_loss_hold=60.0).actions) == 2


def test_without_a_lost_machine_silent_ones_do_no_harm() -> None:
    cluster = vanished(live=5, gone=0)
    cluster.silent = frozenset(cluster.machines)
    assert cluster.plan().brake is None


def test_when_most_have_returned_the_rest_get_one_more_ttl() -> None:
    cluster = vanished(live=2, gone=3)
    cluster.brake = cluster.plan(ttl=10.0, mass_loss_hold=60.0).brake
    cluster.join(make_machine("m0"))
    planned = cluster.plan(ttl=10.0, mass_loss_hold=60.0)
    assert planned.actions == ()
    assert planned.brake == Brake((M("m1"), M("m2")), 3, 5, NOW + 10, certain=True, easing_until=NOW + 10)
    assert planned.wake_at == NOW + 10
    cluster.brake = planned.brake
    assert cluster.plan(now=NOW + 9, ttl=10.0, mass_loss_hold=60.0).brake == planned.brake
    planned = cluster.plan(now=NOW + 10, ttl=10.0, mass_loss_hold=60.0)
    assert ({action.name for action in planned.actions}, planned.brake) == ({"web@1.service", "web@2.service"}, None)
