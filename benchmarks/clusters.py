"""Clusters on paper: machines and units in any number, and what became of them when a plan is carried out."""

from __future__ import annotations

import uuid
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from fleetpy.ids import MachineID, Revision, UnitHash, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Place
from fleetpy.planner.snapshot import Circumstances, Machine, Placement, Report, Snapshot, Unit
from fleetpy.unit.requirements import Requirements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy.planner.plan import Plan

REGIONS = ("eu", "us", "ap")
DISKS = ("ssd", "hdd")
INSTANCES = 10
"""Units of one service that keep out of each other's way."""
_PER_ROUND = 10
TEXT = UnitHash("5" * 40)
"""The hash of every unit's text."""
_NAMESPACE = uuid.UUID("c0de0000-0000-4000-8000-000000000000")


class Shape(StrEnum):
    """What units ask for.

    `PLAIN`: nothing. `MIXED`, of every ten: two keep away from the others of their service (`Conflicts=` with a glob,
    ten to a service), three ask for a region, one of these for a disk too, two follow a third, and two ask for
    nothing; and beside them two global units.
    """

    PLAIN = "plain"
    MIXED = "mixed"


def build_snapshot(units: int, machines: int, shape: Shape) -> Snapshot:
    """A cluster in which nothing has been placed yet."""
    alive = {machine.id: machine for machine in map(_machine, range(machines))}
    wishes = _plain(units) if shape is Shape.PLAIN else _mixed(units)
    wanted = {
        UnitName(name): Unit(UnitName(name), UnitUID(number + 1), TEXT, UnitGoal.LAUNCHED, wish)
        for number, (name, wish) in enumerate(wishes)
    }
    return Snapshot(Circumstances(Revision(units + 1)), alive, wanted, {}, {})


def carry_out(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """The cluster when the plan, which only places, is written and every agent has reported."""
    placements = dict(snapshot.placements)
    reports = dict(snapshot.reports)
    for action in plan.actions:
        assert isinstance(action, Place)
        key = (action.machine, action.name)
        placements[key] = Placement(*key, action.uid, action.hash, action.goal, action.epoch, action.restarted)
        reports[key] = Report(*key, action.uid, action.epoch, None, action.hash)
    later = Circumstances(Revision(snapshot.circumstances.revision + 1))
    return replace(snapshot, circumstances=later, placements=placements, reports=reports)


def machine_id(number: int) -> MachineID:
    """An id that looks like any other, the same each time."""
    return MachineID(uuid.uuid5(_NAMESPACE, str(number)).hex)


def _machine(number: int) -> Machine:
    metadata = {"region": REGIONS[number % len(REGIONS)], "disk": DISKS[number % len(DISKS)]}
    return Machine(machine_id(number), metadata)


def _plain(count: int) -> Iterator[tuple[str, Requirements]]:
    wish = Requirements()
    for number in range(count):
        yield f"plain-{number:06}.service", wish


def _mixed(count: int) -> Iterator[tuple[str, Requirements]]:
    nothing = Requirements()
    yield "everywhere.service", Requirements(is_global=True)
    yield "every-ssd.service", Requirements(is_global=True, metadata=(("disk", frozenset({"ssd"})),))
    for number in range(count - 2):
        round_, at = divmod(number, _PER_ROUND)
        region = ("region", frozenset({REGIONS[number % len(REGIONS)]}))
        if at in {0, 1}:
            service, instance = divmod(2 * round_ + at, INSTANCES)
            yield f"spread-{service:05}@{instance}.service", Requirements(conflicts=(f"spread-{service:05}@*.service",))
        elif at in {2, 3}:
            yield f"regional-{number:06}.service", Requirements(metadata=(region,))
        elif at == 4:  # noqa: PLR2004 - the docstring of `Shape` counts
            yield f"fast-{number:06}.service", Requirements(metadata=(("disk", frozenset({"ssd"})), region))
        elif at in {6, 7}:
            leader = UnitName(f"lead-{round_:05}.service")
            yield f"follow-{number:06}.service", Requirements(machine_of=(leader,))
        else:
            yield f"lead-{round_:05}.service" if at == 5 else f"plain-{number:06}.service", nothing  # noqa: PLR2004
