"""From what is wanted and what is, to what is to be written: a pure function of one snapshot.

The laws of a plan:

1. A unit that may stay where it is stays. Only a broken rule moves it, then even if it has nowhere to go.
2. Whatever can be placed is placed: on the least loaded eligible machine, and of equals on the first by id.
3. A unit that is not global comes to a live machine only when no live machine has a placement or a report of it.
   So a move takes two plans: one takes the unit away, a later one, when its agent has reported that nothing of it is
   left, gives it to another machine. That also holds for the machine that it was on, and for another unit (uid) of
   the same name. Only from a lost machine a unit moves within one plan, and what runs somewhere since before the
   registry was set back is at home there as soon as it is wanted.
4. Nothing depends on the order in which dictionaries are filled; carrying a plan out and planning again gives nothing.

`departures` says who leaves, `arrivals` who comes where, `lost` and `holds` what becomes of lost machines, `order` who
is decided on before whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.planner.actions import in_order
from fleetpy.planner.arrivals import decide_arrivals
from fleetpy.planner.departures import decide_departures
from fleetpy.planner.draft import Draft
from fleetpy.planner.explain import Explainer
from fleetpy.planner.holds import Holds
from fleetpy.planner.index import Index
from fleetpy.planner.lost import Lost
from fleetpy.planner.settings import PlanSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.ids import UnitName
    from fleetpy.planner.actions import Action
    from fleetpy.planner.brake import Brake
    from fleetpy.planner.snapshot import Circumstances, Snapshot
    from fleetpy.planner.unrest import Unrest

__all__ = ["Plan", "PlanSettings", "plan", "plan_next"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in the order in which to do it."""

    actions: tuple[Action, ...]
    pending: Mapping[UnitName, str]
    """Why units that are to be on a machine are on none, by name; sorted."""
    wake_at: float | None
    """When to plan again although nothing has happened (seconds of the clock of `now`), if at all."""
    brake: Brake | None = None
    """The brake on mass failure, if it is on."""


def plan(snapshot: Snapshot, now: float, settings: PlanSettings) -> Plan:
    """Decide. `now`, `lost_at` and `led_since` of the snapshot's circumstances are seconds of one monotonic clock."""
    return _decide(Index.of(snapshot), snapshot.circumstances, now, settings)


def plan_next(index: Index, circumstances: Circumstances, now: float, settings: PlanSettings) -> Plan:
    """The same as `plan` of a snapshot of the index's facts, for an index that is kept from plan to plan."""
    index.refresh()
    try:
        return _decide(index, circumstances, now, settings)
    finally:
        index.occupancy.take_back()


def _decide(index: Index, circumstances: Circumstances, now: float, settings: PlanSettings) -> Plan:
    occupancy, unrest = index.occupancy, index.unrest
    holds = Holds(index.facts, circumstances, now, settings)
    lost = Lost(occupancy, holds, now)
    draft = Draft(index, circumstances.revision)
    decide_departures(draft, unrest)
    decide_arrivals(draft, unrest, index.candidates, lost)
    lost.clear(draft)
    _decide_updates(draft, unrest)
    explainer = Explainer(index, lost.why_held)
    pending = {name: why for name in sorted(occupancy.homeless) if (why := explainer.pending(name))}
    if holds.brake is not None:
        lost.wake(holds.brake.until)
    return Plan(in_order(draft.actions), pending, lost.wake_at, holds.brake)


def _decide_updates(draft: Draft, unrest: Unrest) -> None:
    """Units that stay where they are, with something new about them."""
    for machine, name in unrest.unsettled:
        if draft.occupancy.has(machine, name):
            placement, unit = draft.occupancy.placement(machine, name), draft.occupancy.units[name]
            what = draft.occupancy.news(machine, unit)
            if what:
                draft.update(placement, unit, what)
