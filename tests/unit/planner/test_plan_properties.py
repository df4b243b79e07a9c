"""What holds of every plan, whatever the cluster (the design's reliability.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from fleetpy.model.states import UnitGoal
from fleetpy.placement.conflicts import in_conflict
from fleetpy.planner.actions import Place, Unplace
from fleetpy.planner.explain import Explainer
from fleetpy.planner.plan import PlanSettings, plan
from tests.unit.planner.builders import NOW, Cluster
from tests.unit.planner.clusters import (
    MACHINES,
    any_clusters,
    changed_clusters,
    clusters_of_families,
    fresh_clusters,
    settled_clusters,
    unhurried,
)
from tests.unit.planner.slow import at_home, slow_expels, slow_first_plan, slow_refuses

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.plan import Plan


K = TypeVar("K")
V = TypeVar("V")


def occupants(cluster: Cluster) -> dict[MachineID, set[UnitName]]:
    """What is, or may be, on each live machine."""
    found: dict[MachineID, set[UnitName]] = {machine: set() for machine in cluster.machines}
    for machine, name in cluster.placements:
        if machine in found:
            found[machine].add(name)
    for (machine, name), report in cluster.reports.items():
        if report.refused is None:
            found[machine].add(name)
    return found


def wanted(cluster: Cluster) -> list[UnitName]:
    return [name for name, unit in cluster.units.items() if unit.goal is not UnitGoal.INACTIVE]


def is_held(why: str) -> bool:
    """Whether a unit is pending only because its lost machine is given time."""
    return "must have stopped it" in why or "vanished at once" in why


def step(cluster: Cluster, planned: Plan, awake: set[str]) -> None:
    """Write the plan; only some agents get to work."""
    asleep = {key: report for key, report in cluster.reports.items() if key[0] not in awake}
    cluster.carry_out(planned)
    cluster.let_agents_work()
    working = {key: report for key, report in cluster.reports.items() if key[0] in awake}
    cluster.reports = working | asleep


histories = st.lists(st.sets(st.sampled_from(MACHINES)), max_size=4)


@unhurried
@given(any_clusters(), histories)
def test_a_newcomer_never_meets_a_unit_that_conflicts(cluster: Cluster, history: list[set[str]]) -> None:
    for awake in [*history, set(MACHINES)]:
        planned = cluster.plan()
        before = occupants(cluster)
        step(cluster, planned, awake)
        together = occupants(cluster)
        for action in planned.actions:
            if isinstance(action, Place):
                others = before[action.machine] | together[action.machine]
                for other in others & cluster.units.keys():
                    assert not in_conflict(cluster.units[action.name], cluster.units[other])


@unhurried
@given(any_clusters())
def test_no_two_units_that_conflict_are_left_on_one_machine(cluster: Cluster) -> None:
    cluster.settle()
    for names in occupants(cluster).values():
        for name in names:
            assert not any(in_conflict(cluster.units[name], cluster.units[other]) for other in names)


@unhurried
@given(any_clusters(), histories)
def test_a_unit_that_is_not_global_never_comes_to_a_second_machine(cluster: Cluster, history: list[set[str]]) -> None:
    for awake in [*history, set(MACHINES)]:
        planned = cluster.plan()
        for action in planned.actions:
            if isinstance(action, Place) and not cluster.units[action.name].requirements.is_global:
                assert not any(action.name in names for names in occupants(cluster).values())
        step(cluster, planned, awake)


@unhurried
@given(any_clusters())
def test_in_the_end_a_unit_that_is_not_global_is_on_one_live_machine_at_most(cluster: Cluster) -> None:
    cluster.settle()
    for name, unit in cluster.units.items():
        if not unit.requirements.is_global:
            assert sum(name in names for names in occupants(cluster).values()) <= 1


@unhurried
@given(any_clusters())
def test_planning_again_after_carrying_out_gives_nothing(cluster: Cluster) -> None:
    for (machine, name), placement in cluster.placements.items():
        if machine in cluster.machines:
            cluster.report(machine, name, uid=placement.uid, epoch=placement.epoch)
    cluster.carry_out(cluster.plan())
    assert cluster.plan().actions == ()


@unhurried
@given(any_clusters(), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_known_makes_no_difference(cluster: Cluster, chance: random.Random) -> None:
    snapshot = cluster.snapshot()
    shuffled = replace(
        snapshot,
        machines=_shuffled(snapshot.machines, chance),
        units=_shuffled(snapshot.units, chance),
        placements=_shuffled(snapshot.placements, chance),
        reports=_shuffled(snapshot.reports, chance),
    )
    one = plan(snapshot, NOW, PlanSettings())
    other = plan(shuffled, NOW, PlanSettings())
    assert one == other
    assert list(one.pending) == list(other.pending)


def _shuffled(mapping: Mapping[K, V], chance: random.Random) -> dict[K, V]:
    items = list(mapping.items())
    chance.shuffle(items)
    return dict(items)


@unhurried
@given(settled_clusters(), st.sampled_from(MACHINES))
def test_losing_a_machine_moves_only_its_own_units_and_those_they_replace(cluster: Cluster, lost: str) -> None:
    if lost not in cluster.machines:
        return
    its_own = {name for machine, name in cluster.placements if machine == lost}
    cluster.lose(lost)
    planned = cluster.plan()
    placed = {action.name for action in planned.actions if isinstance(action, Place)}
    replacing = any(cluster.units[name].requirements.replaces for name in placed)
    moved = {action.name for action in planned.actions if isinstance(action, Unplace)}
    assert replacing or moved <= its_own


@unhurried
@given(changed_clusters())
def test_a_unit_leaves_a_live_machine_only_for_a_reason_that_a_slow_look_confirms(cluster: Cluster) -> None:
    before = cluster.snapshot()
    planned = cluster.plan()
    cluster.carry_out(planned)
    after = cluster.snapshot()
    for action in planned.actions:
        if isinstance(action, Unplace) and at_home(before, action.machine, action.name):
            assert slow_expels(before, after, cluster.units[action.name], action.machine)


@unhurried
@given(any_clusters())
def test_whatever_can_be_placed_is_placed(cluster: Cluster) -> None:
    cluster.settle()
    planned = cluster.plan()
    snapshot = cluster.snapshot()
    for name in wanted(cluster):
        unit = cluster.units[name]
        on = {machine for machine, other in cluster.placements if other == name}
        if unit.requirements.is_global:
            missing = cluster.machines.keys() - on
        elif on & cluster.machines.keys() or is_held(planned.pending[name]):
            continue
        else:
            missing = set(cluster.machines)
        assert all(slow_refuses(snapshot, unit, machine) for machine in missing)


@unhurried
@given(st.one_of(fresh_clusters(), clusters_of_families()))
def test_a_first_plan_is_what_a_slow_and_obvious_planner_gives(cluster: Cluster) -> None:
    snapshot = cluster.snapshot()
    planned = plan(snapshot, NOW, PlanSettings())
    assert {(action.machine, action.name) for action in planned.actions} == slow_first_plan(snapshot)


@unhurried
@given(any_clusters())
def test_a_unit_is_placed_or_it_is_said_why_not(cluster: Cluster) -> None:
    planned = cluster.plan()
    cluster.carry_out(planned)
    live = {
        name
        for (machine, name), placement in cluster.placements.items()
        if machine in cluster.machines and placement.goal is not UnitGoal.INACTIVE
    }
    for name in wanted(cluster):
        assert (name in live) != (name in planned.pending)
    assert planned.pending.keys() <= set(wanted(cluster))
    assert not any("it goes to" in why for why in planned.pending.values())


@unhurried
@given(any_clusters())
def test_explaining_a_settled_cluster_says_what_the_plan_said(cluster: Cluster) -> None:
    cluster.settle()
    explainer = Explainer.of(cluster.snapshot())
    for name, why in cluster.plan().pending.items():
        if not is_held(why):
            assert explainer.explain(name).summary == why
