"""The planner by itself: seconds and memory for clusters of three sizes, plain ones and ones full of constraints.

A plan of the whole cluster first, then plans by an index that is kept, after something has happened.

Each cluster is planned in a process of its own, so that its memory is not that of the one before it.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.clusters import Shape, build_snapshot, carry_out
from benchmarks.happenings import NOW, Kept
from benchmarks.measure import Timing, exponent, resident, timed, together
from benchmarks.report import Column, Report, Table, Target
from fleetpy.planner.index import Index
from fleetpy.planner.plan import PlanSettings, plan, plan_next

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.happenings import Happening
    from benchmarks.report import Cell, Options

SIZES = ((1_000, 100), (10_000, 1_000), (100_000, 5_000))
"""Units and machines."""
QUICK_SIZES = SIZES[:2]

FULL_PLAN = 5.0
PLACEMENTS_PER_SECOND = 20_000.0
ONE_CHANGE = 0.050
"""The targets, in seconds; they are for the largest size with constraints."""
_TIMES = 5
"""Each thing happens so many times."""

_MB = 1e6


@dataclass(frozen=True, slots=True)
class Case:
    """A cluster to plan for."""

    units: int
    machines: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to the cluster, and what planning for it took."""

    name: str
    actions: int
    timing: Timing


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case, measured."""

    case: Case
    snapshot_bytes: int
    """Memory of the snapshot with everything placed and reported."""
    index_bytes: int
    """Memory of the index that is kept, beside the snapshot."""
    steps: Mapping[str, Step]


ALL_PLACED_ANEW = "all placed anew"
NEW_INDEX = "index made anew"
NOTHING_CHANGED = "nothing changed"
MACHINE_LOST = "a machine lost"
UNIT_ADDED = "a unit added"
REPORT_CHANGED = "a report changed"
UNIT_DESTROYED = "a unit destroyed"
WHOLE = (ALL_PLACED_ANEW, NEW_INDEX)
KEPT = (NOTHING_CHANGED, MACHINE_LOST, UNIT_ADDED, REPORT_CHANGED, UNIT_DESTROYED)


def run(options: Options) -> Report:
    """Measure every size and shape."""
    outcomes = [
        _in_own_process(Case(units, machines, shape))
        for units, machines in (QUICK_SIZES if options.quick else SIZES)
        for shape in Shape
    ]
    return Report(
        "planner",
        [_steps_table(outcomes), _growth_table(outcomes)],
        [] if options.quick else _targets(outcomes[-1]),
        [
            f"'{NEW_INDEX}': what a new leader pays; the rows after it are planned by an index that is kept",
            *(["the targets are for the largest size, which --quick leaves out"] if options.quick else []),
        ],
        {"cases": [_raw(outcome) for outcome in outcomes]},
    )


def _in_own_process(case: Case) -> Outcome:
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, case).result()


def measure(case: Case) -> Outcome:
    """Plan for the cluster as it fills up, and by an index that is kept when something happens to it."""
    before = resident()
    empty = build_snapshot(case.units, case.machines, case.shape)
    anew, timing = timed(lambda: plan(empty, NOW, PlanSettings()), at_least=2, at_most=3, budget=1.0)
    assert not anew.pending, "every unit of the cluster can be placed"
    full = Step(ALL_PLACED_ANEW, len(anew.actions), timing)
    settled = carry_out(empty, anew)
    del anew
    snapshot_bytes = resident() - before
    index, timing = timed(lambda: Index.of(settled), at_least=2, at_most=3, budget=1.0)
    index_bytes = resident() - before - snapshot_bytes
    cluster = Kept(index, settled)
    steps = [full, Step(NEW_INDEX, 0, timing), *(_step(cluster, name) for name in KEPT)]
    return Outcome(case, snapshot_bytes, index_bytes, {step.name: step for step in steps})


def _step(cluster: Kept, name: str) -> Step:
    """Let the thing happen, plan, and undo it, some times."""
    happens: dict[str, Callable[[], Happening]] = {
        NOTHING_CHANGED: cluster.nothing,
        MACHINE_LOST: cluster.lose_fullest_machine,
        UNIT_ADDED: cluster.add_unit,
        REPORT_CHANGED: cluster.change_report,
        UNIT_DESTROYED: cluster.destroy_unit,
    }
    planned: list[int] = []

    def plan_for_it() -> None:
        happening.tell()
        planned.append(len(plan_next(cluster.index, happening.circumstances, NOW, PlanSettings()).actions))

    timings: list[Timing] = []
    for _ in range(_TIMES):
        happening = happens[name]()
        _, timing = timed(plan_for_it, at_least=1, at_most=1, budget=0.0)
        timings.append(timing)
        happening.undo()
        plan_next(cluster.index, cluster.snapshot.circumstances, NOW, PlanSettings())
        assert planned[-1] == happening.actions, f"{name}: what it concerns moves, and nothing else"
    return Step(name, planned[-1], together(timings))


def _steps_table(outcomes: Sequence[Outcome]) -> Table:
    columns = [
        Column("units", "units", ","),
        Column("machines", "machines", ","),
        Column("shape", "shape"),
        Column("step", "what happens"),
        Column("actions", "actions", ","),
        Column("seconds", "seconds", ".5f"),
        Column("best", "best", ".5f"),
        Column("cpu", "cpu", ".5f"),
        Column("rate", "actions/s", ",.0f"),
        Column("peak", "memory +MB", ".1f"),
        Column("kept", "kept MB", ".1f"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            "units": outcome.case.units,
            "machines": outcome.case.machines,
            "shape": outcome.case.shape.value,
            "step": step.name,
            "actions": step.actions,
            "seconds": step.timing.median,
            "best": step.timing.best,
            "cpu": step.timing.usual_cpu,
            "rate": step.actions / step.timing.median if step.name == ALL_PLACED_ANEW else None,
            "peak": step.timing.peak / _MB if step.name in WHOLE else None,
            "kept": outcome.index_bytes / _MB if step.name == NOTHING_CHANGED else None,
        }
        for outcome in outcomes
        for step in outcome.steps.values()
    ]
    return Table(
        "One plan: seconds (median, best, and the processor's own), and memory beside the snapshot",
        columns,
        rows,
    )


def _growth_table(outcomes: Sequence[Outcome]) -> Table:
    rows: list[dict[str, Cell]] = []
    for shape in Shape:
        by_size = [outcome for outcome in outcomes if outcome.case.shape is shape]
        for small, large in pairwise(by_size):
            row: dict[str, Cell] = {
                "shape": shape.value,
                "sizes": f"{small.case.units:,} to {large.case.units:,} units",
            }
            for name, step in small.steps.items():
                row[name] = exponent(
                    (small.case.units, step.timing.least_cpu), (large.case.units, large.steps[name].timing.least_cpu)
                )
            row["memory"] = exponent(
                (small.case.units, small.index_bytes + small.snapshot_bytes),
                (large.case.units, large.index_bytes + large.snapshot_bytes),
            )
            rows.append(row)
    names = (*WHOLE, *KEPT, "memory")
    columns = [Column("shape", "shape"), Column("sizes", "from"), *(Column(name, name, ".2f") for name in names)]
    return Table(
        "Growth of the processor's seconds and of memory: the e in units**e (1: in line with the units; 2: quadratic)",
        columns,
        rows,
    )


def _targets(largest: Outcome) -> list[Target]:
    full = largest.steps[ALL_PLACED_ANEW]
    case = f"{largest.case.units:,} units with constraints on {largest.case.machines:,} machines"
    return [
        Target(f"{case}, all placed anew", FULL_PLAN, full.timing.median, "s"),
        Target(
            f"{case}, placements",
            PLACEMENTS_PER_SECOND,
            full.actions / full.timing.median,
            "per second",
            at_least=True,
            number=",.0f",
        ),
        *(Target(f"{case}, {name}", ONE_CHANGE, largest.steps[name].timing.median, "s", number=".4f") for name in KEPT),
    ]


def _raw(outcome: Outcome) -> dict[str, object]:
    return {
        "units": outcome.case.units,
        "machines": outcome.case.machines,
        "shape": outcome.case.shape.value,
        "snapshot_bytes": outcome.snapshot_bytes,
        "index_bytes": outcome.index_bytes,
        "seconds": {name: step.timing.seconds for name, step in outcome.steps.items()},
        "cpu_seconds": {name: step.timing.cpu for name, step in outcome.steps.items()},
    }
