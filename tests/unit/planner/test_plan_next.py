"""A plan from an index that was kept is the plan of the whole snapshot, whatever has happened between two plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from fleetpy.ids import MachineID, UnitName
from fleetpy.planner.index import Index
from fleetpy.planner.plan import PlanSettings, plan, plan_next
from tests.unit.planner.builders import NOW, Cluster, make_machine
from tests.unit.planner.clusters import (
    MACHINES,
    NAMES,
    any_clusters,
    clusters_of_families,
    machines,
    options,
    unhurried,
)

if TYPE_CHECKING:
    from fleetpy.planner.snapshot import Snapshot

SETTINGS = PlanSettings(mass_loss_machines=3)


def tell(index: Index, before: Snapshot, after: Snapshot) -> None:
    """Only what is different."""
    for machine in before.machines.keys() | after.machines.keys():
        if before.machines.get(machine) != after.machines.get(machine):
            index.set_machine(machine, after.machines.get(machine))
    for name in before.units.keys() | after.units.keys():
        if before.units.get(name) != after.units.get(name):
            index.set_unit(name, after.units.get(name))
    for pair in before.placements.keys() | after.placements.keys():
        if before.placements.get(pair) != after.placements.get(pair):
            index.set_placement(pair, after.placements.get(pair))
    for pair in before.reports.keys() | after.reports.keys():
        if before.reports.get(pair) != after.reports.get(pair):
            index.set_report(pair, after.reports.get(pair))


def something_happens(data: st.DataObject, cluster: Cluster, now: float) -> None:
    draw = data.draw
    names = st.sampled_from(sorted({*NAMES, *cluster.units}))
    name, machine = draw(names), draw(st.sampled_from(MACHINES))
    known = cluster.units.get(UnitName(name))
    live = MachineID(machine) in cluster.machines
    goals = st.sampled_from(["launched", "launched", "loaded", "inactive"])
    match draw(st.sampled_from(["join", "lose", "unit", "again", "goal", "destroy", "refuse", "report", "silence"])):
        case "lose" if live:
            cluster.lose(machine, at=draw(st.sampled_from([now, now, None])))
        case "join" | "lose":
            cluster.join(make_machine(machine, **draw(machines())))
        case "unit":
            cluster.submit(name, uid=known.uid if known else 7, text="text-4", goal=draw(goals), **draw(options()))
        case "again":
            cluster.submit(name, uid=cluster.revision, goal=draw(goals), **draw(options()))
        case "goal" if known is not None:
            cluster.submit(name, uid=known.uid, goal=draw(goals), **_asked(known.requirements))
        case "destroy" if known is not None:
            cluster.destroy(name)
        case "refuse" if live:
            cluster.report(machine, name, uid=known.uid if known else 1, refused="the host has such a unit")
        case "report" if live:
            key = MachineID(machine), UnitName(name)
            if key in cluster.reports:
                del cluster.reports[key]
            else:
                cluster.report(machine, name, uid=draw(st.integers(1, 2)), adrift=draw(st.booleans()))
        case _:
            cluster.silent = frozenset(
                draw(st.sets(st.sampled_from(sorted(cluster.machines)) if cluster.machines else st.nothing()))
            )
            cluster.released = frozenset(draw(st.sets(st.sampled_from([*map(MachineID, MACHINES)]), max_size=2)))


def _asked(wish: Any) -> dict[str, Any]:
    return {
        **{option: getattr(wish, option) for option in ("machine_id", "machine_of", "conflicts", "replaces")},
        "metadata": {key: "|".join(sorted(values)) for key, values in wish.metadata},
        "is_global": wish.is_global,
        "on_partition": wish.on_partition,
    }


@unhurried
@given(st.one_of(any_clusters(), clusters_of_families()), st.data())
def test_an_index_that_is_kept_plans_as_the_whole_snapshot_does(cluster: Cluster, data: st.DataObject) -> None:
    index = Index.of(cluster.snapshot())
    now = NOW
    for _ in range(data.draw(st.integers(1, 8))):
        before = cluster.snapshot()
        for _ in range(data.draw(st.sampled_from([0, 1, 1, 2, 4]))):
            something_happens(data, cluster, now)
        after = cluster.snapshot()
        tell(index, before, after)
        planned = plan_next(index, after.circumstances, now, SETTINGS)
        whole = plan(after, now, SETTINGS)
        assert planned == whole
        assert list(planned.pending) == list(whole.pending)
        cluster.brake = planned.brake
        if data.draw(st.sampled_from([True, True, False])):
            cluster.carry_out(planned)
            tell(index, after, written := cluster.snapshot())
            if data.draw(st.booleans()):
                cluster.let_agents_work()
                tell(index, written, cluster.snapshot())
        now += data.draw(st.sampled_from([0.0, 1.0, 12.0, 400.0]))


CROWD = [f"{family}@{number}.service" for family in "ab" for number in range(1, 5)]
KEEP_APART = st.lists(st.sampled_from(["a@*.service", "b@*.service", "*@1.service", "b@[1-2].service"]), max_size=2)
CROWDED = st.one_of(
    st.fixed_dictionaries({"conflicts": KEEP_APART}),
    st.fixed_dictionaries({"conflicts": KEEP_APART}),
    st.fixed_dictionaries({"replaces": st.sampled_from([["a@1.service"], ["b@*.service"]])}),
    st.fixed_dictionaries({"machine_of": st.just([UnitName("a@1.service")])}),
)


@unhurried
@given(
    st.integers(1, 3), st.lists(st.dictionaries(st.sampled_from(CROWD), CROWDED | st.none()), min_size=2, max_size=8)
)
def test_the_reasons_of_units_that_find_no_room_are_those_of_the_whole_snapshot(
    count: int, history: list[dict[str, dict[str, Any] | None]]
) -> None:
    cluster = Cluster.of(*MACHINES[:count])
    index = Index.of(cluster.snapshot())
    before = cluster.snapshot()
    for step in history:
        for name, wish in step.items():
            if wish is not None:
                cluster.submit(name, uid=cluster.revision, **wish)
            else:
                cluster.units.pop(UnitName(name), None)
        for _ in range(2):
            tell(index, before, before := cluster.snapshot())
            planned = plan_next(index, before.circumstances, NOW, SETTINGS)
            assert planned == plan(before, NOW, SETTINGS)
            cluster.carry_out(planned)
            cluster.let_agents_work()
