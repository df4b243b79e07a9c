"""What the planner's indexes are checked against: every rule looked at one unit, one machine, one pair at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.placement.conflicts import in_conflict
from fleetpy.placement.replaces import names_as_replaced
from fleetpy.unit.glob import matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.snapshot import Snapshot, Unit


def wanted(snapshot: Snapshot) -> dict[UnitName, Unit]:
    return {name: unit for name, unit in snapshot.units.items() if unit.goal is not UnitGoal.INACTIVE}


def depends(_: Snapshot, unit: Unit, on: Unit) -> bool:
    """Whether one unit's place depends directly on the other's, as far as the unit files say."""
    return on.name in unit.requirements.machine_of or names_as_replaced(on, unit)


def reached_from(
    snapshot: Snapshot, start: UnitName, depends: Callable[[Snapshot, Unit, Unit], bool] = depends
) -> set[UnitName]:
    """Everyone whose place depends on this one's, directly or through others."""
    units = wanted(snapshot)
    found: set[UnitName] = set()
    edge = {start} & units.keys()
    while edge:
        edge = {
            name for name, unit in units.items() if any(depends(snapshot, unit, units[above]) for above in edge)
        } - found
        found |= edge
    return found


def replaces(snapshot: Snapshot, one: Unit, other: Unit) -> bool:
    """Whether `one` replaces `other`, and no circle says otherwise."""
    return names_as_replaced(one, other) and one.name not in reached_from(snapshot, other.name)


def waits(snapshot: Snapshot, unit: Unit, on: Unit) -> bool:
    """Whether one unit is decided on after the other."""
    return on.name in unit.requirements.machine_of or replaces(snapshot, on, unit)


def occupying(snapshot: Snapshot, machine: MachineID) -> set[UnitName]:
    names = {name for at, name in snapshot.placements if at == machine}
    return names | {name for (at, name), report in snapshot.reports.items() if at == machine and report.refused is None}


def at_home(snapshot: Snapshot, machine: MachineID, name: UnitName) -> bool:
    placement = snapshot.placements.get((machine, name))
    unit = wanted(snapshot).get(name)
    if placement is None or unit is None or machine not in snapshot.machines:
        return False
    return placement.goal is not UnitGoal.INACTIVE and placement.uid == unit.uid


def unsuited(snapshot: Snapshot, unit: Unit, machine_id: MachineID) -> bool:
    """Whether the machine in itself, or its agent, will not have the unit, be it new or there already."""
    machine = snapshot.machines[machine_id]
    wish = unit.requirements
    report = snapshot.reports.get((machine_id, unit.name))
    return (
        wish.machine_id not in {None, machine_id}
        or any(machine.metadata.get(key) not in values for key, values in wish.metadata)
        or machine.draining
        or (report is not None and report.refused is not None and (report.uid, report.hash) == (unit.uid, unit.hash))
    )


def slow_refuses(snapshot: Snapshot, unit: Unit, machine: MachineID) -> bool:
    """Whether a machine may not have a newcomer. Of a unit that nobody knows any more only the name can be one."""
    there = occupying(snapshot, machine)
    others = [snapshot.units[name] for name in there if name in snapshot.units]
    return (
        unsuited(snapshot, unit, machine)
        or snapshot.machines[machine].cordoned
        or any(not at_home(snapshot, machine, leader) for leader in unit.requirements.machine_of)
        or any(in_conflict(unit, other) or replaces(snapshot, other, unit) for other in others)
        or any(matches(pattern, name) for pattern in unit.requirements.conflicts for name in there - {unit.name})
    )


def slow_expels(before: Snapshot, after: Snapshot, unit: Unit, machine: MachineID) -> bool:
    """Whether there is a reason for a unit to leave the machine that is its home before a plan is carried out."""
    units = wanted(before)
    others = [other for name, other in units.items() if at_home(before, machine, name)]
    coming = [other for other in units.values() if other.requirements.is_global]
    stay = [other for name, other in units.items() if at_home(after, machine, name)]
    elsewhere = any(at_home(after, other, unit.name) for other in after.machines)
    return (
        unsuited(before, unit, machine)
        or any(not at_home(after, machine, leader) for leader in unit.requirements.machine_of)
        or any(in_conflict(unit, other) for other in others + coming)
        or any(replaces(before, other, unit) for other in stay)
        or (elsewhere and not unit.requirements.is_global)
    )


def slow_first_plan(snapshot: Snapshot) -> set[tuple[MachineID, UnitName]]:
    """Where units go when none is anywhere: global ones first, then whoever has nobody left to wait for, by name."""
    units = wanted(snapshot)
    machines = sorted(snapshot.machines)
    placed: set[tuple[MachineID, UnitName]] = set()

    def fits(unit: Unit, machine: MachineID) -> bool:
        here = [units[name] for at, name in placed if at == machine]
        return not (
            unsuited(snapshot, unit, machine)
            or snapshot.machines[machine].cordoned
            or any((machine, leader) not in placed for leader in unit.requirements.machine_of)
            or any(in_conflict(unit, other) or replaces(snapshot, other, unit) for other in here)
        )

    for name in sorted(name for name, unit in units.items() if unit.requirements.is_global):
        placed |= {(machine, name) for machine in machines if fits(units[name], machine)}

    after = {name: reached_from(snapshot, name, waits) for name in units}

    def level(name: UnitName) -> int:
        circle = {name} | {other for other in after[name] if name in after[other]}
        before = {other for other in units if circle & after[other]} - circle
        return 1 + max((level(other) for other in before), default=-1)

    locals_ = [name for name, unit in units.items() if not unit.requirements.is_global]
    for name in sorted(locals_, key=lambda name: (level(name), name)):
        fitting = [machine for machine in machines if fits(units[name], machine)]
        if fitting:
            counts = {machine: sum(at == machine for at, _ in placed) for machine in fitting}
            placed.add((min(fitting, key=lambda machine: (counts[machine], machine)), name))
    return placed
