"""Who must leave where it is. A unit that need not leave stays: a less loaded machine is no reason.

Departures concern each machine by itself and are decided in this order: what is no longer wanted; what the machine no
longer suits; followers without their leaders; second copies; conflicts; units that another one there replaces. Whoever
leaves takes its followers along at once. Last, what runs since before the registry was set back is taken over.

Only those in `unrest` are asked. Whoever is settled there has no reason to leave but another's decision to stay or to
come, which tells him itself: until arrivals begin, homes only become fewer.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fleetpy.placement.rules import STAYING_RULES, applying, refusal
from fleetpy.planner.words import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.draft import Draft
    from fleetpy.planner.facts import Pair
    from fleetpy.planner.snapshot import Placement, Unit
    from fleetpy.planner.unrest import Unrest

_DESTROYED = "the unit was destroyed"
_ANOTHER = "the unit was destroyed and submitted again"
_INACTIVE = "the unit is to be inactive"


def decide_departures(draft: Draft, unrest: Unrest) -> None:
    """Let everyone leave who must, on live machines."""
    unsettled = sorted(unrest.unsettled)
    _unwanted(draft, unsettled)
    _unsuited(draft, unsettled)
    _without_leaders(draft, unsettled)
    _second_copies(draft, unsettled)
    _conflicting(draft, unsettled)
    _replaced(draft, unsettled)
    _take_over(draft, unrest.adrift)


def why_unwanted(placement: Placement, units: Mapping[UnitName, Unit]) -> str:
    """For a placement that is no longer wanted, why."""
    unit = units.get(placement.name)
    if unit is None:
        return _DESTROYED
    return _ANOTHER if unit.uid != placement.uid else _INACTIVE


def _homes(draft: Draft, pairs: Iterable[Pair]) -> Iterator[tuple[MachineID, Unit]]:
    """Those of the pairs that are homes now."""
    occupancy = draft.occupancy
    return ((machine, occupancy.units[name]) for machine, name in pairs if occupancy.has(machine, name))


def _leave_in_order(draft: Draft, leaving: list[tuple[MachineID, UnitName, str]]) -> None:
    for machine, name, reason in sorted(leaving):
        draft.leave(machine, name, reason)


def _unwanted(draft: Draft, pairs: Iterable[Pair]) -> None:
    occupancy = draft.occupancy
    for machine, name in pairs:
        if not occupancy.has(machine, name):
            draft.withdraw(machine, name, why_unwanted(occupancy.placement(machine, name), occupancy.units))


def _unsuited(draft: Draft, pairs: Iterable[Pair]) -> None:
    occupancy = draft.occupancy
    leaving: list[tuple[MachineID, UnitName, str]] = []
    for machine, unit in _homes(draft, pairs):
        refused = refusal(applying(STAYING_RULES, unit), unit, occupancy.machines[machine], occupancy)
        if refused is not None:
            leaving.append((machine, unit.name, f"{short(machine)} {refused}"))
    _leave_in_order(draft, leaving)


def _without_leaders(draft: Draft, pairs: Iterable[Pair]) -> None:
    leaving: list[tuple[MachineID, UnitName, str]] = []
    for machine, unit in _homes(draft, pairs):
        for leader in unit.requirements.machine_of:
            if not draft.occupancy.has(machine, leader):
                leaving.append((machine, unit.name, f"it follows {leader}, which is not on {short(machine)}"))
                break
    _leave_in_order(draft, leaving)


def _second_copies(draft: Draft, pairs: Iterable[Pair]) -> None:
    """A unit that was global, or whose lost machine came back too late: the newest placement counts."""
    leaving: list[tuple[MachineID, UnitName, str]] = []
    for name in {unit.name for _, unit in _homes(draft, pairs) if not unit.requirements.is_global}:
        machines = draft.occupancy.homes(name)
        if len(machines) > 1:
            newest = min(machines, key=lambda machine: (-draft.occupancy.placement(machine, name).epoch, machine))
            reason = f"a unit runs in one place, and this one is on {short(newest)}"
            leaving += ((machine, name, reason) for machine in machines if machine != newest)
    _leave_in_order(draft, leaving)


def _conflicting(draft: Draft, pairs: Iterable[Pair]) -> None:
    occupancy = draft.occupancy
    contested: dict[MachineID, list[Unit]] = defaultdict(list)
    for machine, unit in _homes(draft, pairs):
        if any(occupancy.has(machine, other) for other in occupancy.all_conflicting(machine, unit)):
            contested[machine].append(unit)
    for machine in sorted(contested):
        _settle_conflicts(draft, machine, contested[machine])


def _settle_conflicts(draft: Draft, machine: MachineID, units: list[Unit]) -> None:
    """Global units stay before others, unchanged ones before those with a new text, then the longest placed."""
    occupancy = draft.occupancy

    def seniority(unit: Unit) -> tuple[bool, bool, int, UnitName]:
        placement = occupancy.placement(machine, unit.name)
        return not unit.requirements.is_global, placement.hash != unit.hash, placement.epoch, unit.name

    kept: set[UnitName] = set()
    for unit in sorted(units, key=seniority):
        stronger = min(kept & occupancy.all_conflicting(machine, unit), default=None)
        if stronger is None:
            kept.add(unit.name)
        else:
            draft.leave(machine, unit.name, f"{short(machine)} has {stronger}, which conflicts")


def _take_over(draft: Draft, adrift: Iterable[Pair]) -> None:
    """What runs since before the registry was set back is at home where it runs, if it is still wanted at all.

    It is placed with the text that it runs with. Whether it may stay there with the one that is wanted, and which copy
    if there is another, the next plan decides.
    """
    for machine, name in sorted(adrift):
        unit = draft.occupancy.wanted(name)
        if unit is not None:
            draft.take_over(machine, unit, "it runs there since before the registry was set back")


def _replaced(draft: Draft, pairs: Iterable[Pair]) -> None:
    units = draft.occupancy.units
    replacing = {unit.name for _, unit in _homes(draft, pairs) if unit.requirements.replaces}
    for name in draft.order.sorted(replacing):
        for machine in sorted(draft.occupancy.homes(name)):
            give_way(draft, machine, units[name])


def give_way(draft: Draft, machine: MachineID, unit: Unit) -> None:
    """Let those leave the machine that the unit, at home there, replaces."""
    for name in draft.occupancy.replaced_at_home(machine, unit):
        draft.leave(machine, name, f"{unit.name} takes its machine, and replaces it there")
