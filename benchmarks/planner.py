"""The planner by itself: seconds and memory for clusters of three sizes, plain ones and ones full of constraints.

Each cluster is planned in a process of its own, so that its memory is not that of the one before it.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.clusters import Shape, add_unit, build_snapshot, carry_out, lose_fullest_machine
from benchmarks.measure import Timing, exponent, resident, timed
from benchmarks.report import Column, Report, Table, Target
from fleetpy.planner.plan import Plan, PlanSettings, plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.report import Cell, Options
    from fleetpy.planner.snapshot import Snapshot

SIZES = ((1_000, 100), (10_000, 1_000), (100_000, 5_000))
"""Units and machines."""
QUICK_SIZES = SIZES[:2]

FULL_PLAN = 5.0
PLACEMENTS_PER_SECOND = 20_000.0
ONE_MACHINE_LOST = 0.050
"""The targets, in seconds; they are for the largest size with constraints."""

_NOW = 1000.0
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
    steps: Mapping[str, Step]


ALL_PLACED_ANEW = "all placed anew"
NOTHING_CHANGED = "nothing changed"
MACHINE_LOST = "a machine lost"
UNIT_ADDED = "a unit added"


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
        ["the targets are for the largest size, which --quick leaves out"] if options.quick else [],
        {"cases": [_raw(outcome) for outcome in outcomes]},
    )


def _in_own_process(case: Case) -> Outcome:
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, case).result()


def measure(case: Case) -> Outcome:
    """Plan for the cluster as it fills up, rests, loses a machine, and gets one more unit."""
    before = resident()
    empty = build_snapshot(case.units, case.machines, case.shape)
    anew, full = _plan_for(ALL_PLACED_ANEW, empty, at_least=2)
    assert not anew.pending, "every unit of the cluster can be placed"
    settled = carry_out(empty, anew)
    del anew
    snapshot_bytes = resident() - before
    resting, rest = _plan_for(NOTHING_CHANGED, settled)
    assert not resting.actions, "carrying a plan out and planning again gives nothing"
    without, moving = lose_fullest_machine(settled, _NOW)
    _, lost = _plan_for(MACHINE_LOST, without)
    assert lost.actions == 2 * moving, "the lost machine's units, and no others, move"
    _, added = _plan_for(UNIT_ADDED, add_unit(settled))
    assert added.actions == 1, "nothing but the new unit is placed"
    return Outcome(case, snapshot_bytes, {step.name: step for step in (full, rest, lost, added)})


def _plan_for(name: str, snapshot: Snapshot, *, at_least: int = 3) -> tuple[Plan, Step]:
    settings = PlanSettings()
    planned, timing = timed(lambda: plan(snapshot, _NOW, settings), at_least=at_least, at_most=9, budget=1.0)
    return planned, Step(name, len(planned.actions), timing)


def _steps_table(outcomes: Sequence[Outcome]) -> Table:
    columns = [
        Column("units", "units", ","),
        Column("machines", "machines", ","),
        Column("shape", "shape"),
        Column("step", "what happens"),
        Column("actions", "actions", ","),
        Column("seconds", "seconds", ".4f"),
        Column("best", "best", ".4f"),
        Column("cpu", "cpu", ".4f"),
        Column("rate", "actions/s", ",.0f"),
        Column("peak", "memory +MB", ".1f"),
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
            "peak": step.timing.peak / _MB if step.name == ALL_PLACED_ANEW else None,
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
                (small.case.units, small.steps[ALL_PLACED_ANEW].timing.peak + small.snapshot_bytes),
                (large.case.units, large.steps[ALL_PLACED_ANEW].timing.peak + large.snapshot_bytes),
            )
            rows.append(row)
    names = (ALL_PLACED_ANEW, NOTHING_CHANGED, MACHINE_LOST, UNIT_ADDED, "memory")
    columns = [Column("shape", "shape"), Column("sizes", "from"), *(Column(name, name, ".2f") for name in names)]
    return Table(
        "Growth of the processor's seconds and of memory: the e in units**e (1: in line with the units; 2: quadratic)",
        columns,
        rows,
    )


def _targets(largest: Outcome) -> list[Target]:
    full = largest.steps[ALL_PLACED_ANEW]
    lost = largest.steps[MACHINE_LOST]
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
        Target(f"{case}, one machine lost", ONE_MACHINE_LOST, lost.timing.median, "s"),
    ]


def _raw(outcome: Outcome) -> dict[str, object]:
    return {
        "units": outcome.case.units,
        "machines": outcome.case.machines,
        "shape": outcome.case.shape.value,
        "snapshot_bytes": outcome.snapshot_bytes,
        "seconds": {name: step.timing.seconds for name, step in outcome.steps.items()},
        "cpu_seconds": {name: step.timing.cpu for name, step in outcome.steps.items()},
    }
