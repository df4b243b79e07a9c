"""Who comes where: global units first, on every eligible machine, then the others in the planner's order.

A global unit goes before others: where one that conflicts with it has its home, that one leaves and the room is kept.
Among global units the one that is there stays, and of newcomers the first by name comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.planner.departures import give_way
from fleetpy.planner.words import enumerated, short

if TYPE_CHECKING:
    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.candidates import Candidates
    from fleetpy.planner.draft import Draft
    from fleetpy.planner.lost import Lost
    from fleetpy.planner.snapshot import Unit
    from fleetpy.planner.unrest import Unrest

_GLOBAL = "a global unit is on every eligible machine"


def decide_arrivals(draft: Draft, unrest: Unrest, candidates: Candidates, lost: Lost) -> None:
    """Place what can be placed."""
    occupancy = draft.occupancy
    for name, machine in sorted(unrest.missing):
        if not occupancy.occupies(machine, name):
            _arrive_at(draft, occupancy.units[name], machine)
    for name in draft.order.sorted(occupancy.homeless):
        unit = occupancy.units[name]
        if not unit.requirements.is_global and not occupancy.occupied(name) and not lost.is_held(name):
            _arrive(draft, candidates, unit)


def _arrive_at(draft: Draft, unit: Unit, machine: MachineID) -> None:
    occupancy = draft.occupancy
    others = sorted(occupancy.all_conflicting(machine, unit))
    if any(_is_global(draft, other) for other in others):
        return
    for other in others:
        draft.leave(machine, other, f"{unit.name}, a global unit, comes to {short(machine)} and conflicts")
    if others:
        occupancy.claim(machine, unit.name)
    else:
        draft.place(machine, unit, _GLOBAL)


def _is_global(draft: Draft, name: UnitName) -> bool:
    unit = draft.occupancy.wanted(name)
    return unit is not None and unit.requirements.is_global


def _arrive(draft: Draft, candidates: Candidates, unit: Unit) -> None:
    reason = f"it is to be {unit.goal}, and is on no machine"
    machine = None
    if unit.requirements.replaces:
        machine = candidates.best_of(draft.occupancy.machines_to_take(unit), unit)
        if machine is not None:
            replaced = draft.occupancy.replaced_at_home(machine, unit)
            reason = f"it takes the machine of {enumerated(replaced)}"
    if machine is None:
        machine = candidates.best(unit)
        if unit.requirements.machine_of:
            reason = f"it follows {enumerated(unit.requirements.machine_of)}"
    if machine is not None:
        draft.place(machine, unit, reason)
        give_way(draft, machine, unit)
