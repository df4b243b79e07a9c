"""A unit with `OnPartition=stop` stays placed, as inactive, until its machine has let go of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import UnitName
from fleetpy.model.states import UnitGoal
from fleetpy.unit.requirements import OnPartition
from tests.unit.planner.builders import NOW, Cluster, idle, reasons, told

if TYPE_CHECKING:
    from collections.abc import Callable

STOP = OnPartition.STOP
WEB = UnitName("web.service")


def placed() -> Cluster:
    cluster = Cluster.of("m1", "m2")
    cluster.submit(WEB, on_partition=STOP)
    cluster.put("m1", WEB)
    return cluster


def submit_again(cluster: Cluster) -> None:
    cluster.destroy(WEB)
    cluster.submit(WEB, uid=2, on_partition=STOP)


def drain(cluster: Cluster) -> None:
    machine = next(machine for machine in cluster.machines.values() if machine.id == "m1")
    cluster.machines[machine.id] = replace(machine, draining=True)


def unload(cluster: Cluster) -> None:
    cluster.change(WEB, goal=UnitGoal.INACTIVE)


def test_it_is_taken_away_in_two_steps() -> None:
    cluster = placed()
    unload(cluster)
    planned = cluster.plan()
    assert reasons(planned) == ["stops web.service on m1: the unit is to be inactive"]
    cluster.carry_out(planned)
    assert cluster.plan().actions == ()
    cluster.let_agents_work()
    assert reasons(cluster.plan()) == ["takes web.service from m1: the machine has let go of it"]


def test_other_units_are_taken_away_at_once() -> None:
    cluster = Cluster.of("m1")
    cluster.submit(WEB, goal="inactive")
    cluster.put("m1", WEB)
    assert told(cluster.plan()) == ["unplace web.service m1"]


@pytest.mark.parametrize("leave", [submit_again, drain])
def test_it_goes_elsewhere_only_when_the_machine_has_let_go_of_it(leave: Callable[[Cluster], None]) -> None:
    cluster = placed()
    leave(cluster)
    assert told(cluster.settle()[0]) == ["update web.service m1"]
    assert len(cluster.where()[WEB]) == 1


@pytest.mark.parametrize("leave", [submit_again, drain])
def test_if_the_machine_is_lost_before_that_it_waits_until_it_must_have_been_stopped(
    leave: Callable[[Cluster], None],
) -> None:
    cluster = placed()
    leave(cluster)
    cluster.carry_out(cluster.plan())
    cluster.lose("m1", at=NOW)
    waiting = cluster.plan(now=NOW + 14.9, lease=8.0, stop_bound=7.0)
    assert waiting == idle(
        {WEB: "m1, which had it, is lost; the machine must have stopped it by itself before it may start elsewhere"},
        NOW + 15.0,
    )
    assert told(cluster.plan(now=NOW + 15.0, lease=8.0, stop_bound=7.0)) == [
        "unplace web.service m1",
        "place web.service m2",
    ]


def test_what_was_destroyed_is_forgotten_with_the_lost_machine() -> None:
    cluster = placed()
    cluster.destroy(WEB)
    cluster.carry_out(cluster.plan())
    cluster.lose("m1", at=NOW)
    assert cluster.plan(now=NOW + 14.9, lease=8.0, stop_bound=7.0) == idle(wake_at=NOW + 15.0)
    assert told(cluster.plan(now=NOW + 15.0, lease=8.0, stop_bound=7.0)) == ["unplace web.service m1"]


def test_one_that_is_wanted_nowhere_else_does_not_stay_placed_on_a_lost_machine() -> None:
    cluster = placed()
    drain(cluster)
    cluster.carry_out(cluster.plan())
    del cluster.machines[next(machine for machine in cluster.machines if machine == "m2")]
    cluster.lose("m1", at=NOW)
    assert told(cluster.plan(now=NOW + 15.0, lease=8.0, stop_bound=7.0)) == ["unplace web.service m1"]


def test_a_text_without_it_counts_when_the_agent_says_that_the_one_before_is_gone() -> None:
    cluster = placed()
    assert [placement.stops for placement in cluster.placements.values()] == [True]
    cluster.submit(WEB, text="text-2")
    cluster.carry_out(cluster.plan())
    assert [placement.stops for placement in cluster.placements.values()] == [True]
    cluster.let_agents_work()
    planned = cluster.plan()
    assert reasons(planned) == ["updates web.service on m1: it no longer stops when the machine is cut off"]
    cluster.carry_out(planned)
    assert [placement.stops for placement in cluster.placements.values()] == [False]
    assert cluster.plan().actions == ()


def test_a_unit_destroyed_before_its_machine_took_over_a_text_without_it_may_still_stop_itself() -> None:
    cluster = placed()
    cluster.submit(WEB, text="text-2")
    cluster.carry_out(cluster.plan())
    cluster.destroy(WEB)
    planned = cluster.plan()
    assert reasons(planned) == ["stops web.service on m1: the unit was destroyed"]
    cluster.carry_out(planned)
    assert [placement.stops for placement in cluster.placements.values()] == [True]


def test_a_machine_lost_before_it_took_over_a_text_without_it_is_waited_for() -> None:
    cluster = placed()
    cluster.submit(WEB, text="text-2")
    cluster.carry_out(cluster.plan())
    cluster.lose("m1", at=NOW)
    assert told(cluster.plan(now=NOW + 14.0, lease=8.0, stop_bound=7.0)) == []
    assert told(cluster.plan(now=NOW + 15.0, lease=8.0, stop_bound=7.0)) == [
        "unplace web.service m1",
        "place web.service m2",
    ]
