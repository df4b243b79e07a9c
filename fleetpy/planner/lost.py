"""What becomes of placements on machines that are not live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.planner.departures import why_unwanted
from fleetpy.planner.words import enumerated, short

if TYPE_CHECKING:
    from fleetpy.ids import UnitName
    from fleetpy.planner.draft import Draft
    from fleetpy.planner.holds import Holds
    from fleetpy.planner.occupancy import Occupancy
    from fleetpy.planner.snapshot import Placement

_FORGOTTEN = "the machine has been lost for long"


class Lost:
    """Which units are held by a lost machine, and in the end which placements on lost machines go."""

    def __init__(self, occupancy: Occupancy, holds: Holds, now: float) -> None:
        self._occupancy = occupancy
        self._holds = holds
        self._now = now
        self.wake_at: float | None = None
        """When the next hold ends, as far as is known so far."""

    def is_held(self, name: UnitName) -> bool:
        """Whether the unit may not start elsewhere yet."""
        return self.why_held(name) is not None

    def why_held(self, name: UnitName) -> str | None:
        """In words why the unit may not start elsewhere yet; None if it may."""
        placements = self._occupancy.lost_placements(name)
        if not placements:
            return None
        unit = self._occupancy.units.get(name)
        holds = [self._holds.on(placement, unit) for placement in placements]
        last = max((hold for hold in holds if hold is not None), key=lambda hold: (hold.until, hold.why), default=None)
        return last.why if last is not None else None

    def clear(self, draft: Draft) -> None:
        """Give up the placements on lost machines that are no longer needed; call it when all else is decided."""
        for name in sorted(self._occupancy.lost.names()):
            for placement in self._occupancy.lost_placements(name):
                self._clear(draft, placement)

    def wake(self, moment: float) -> None:
        """Have planning done again at that moment, at the latest."""
        self.wake_at = moment if self.wake_at is None else min(self.wake_at, moment)

    def _clear(self, draft: Draft, placement: Placement) -> None:
        name = placement.name
        unit = self._occupancy.wanted(name)
        homes = self._occupancy.homes(name)
        if unit is not None and homes and not unit.requirements.is_global:
            places = enumerated([short(home) for home in sorted(homes)])
            reason = f"the machine is lost, and the unit is on {places} now"
            draft.withdraw(placement.machine, name, reason, lost=True)
            return
        hold = self._holds.on(placement, self._occupancy.units.get(name))
        if hold is not None:
            self.wake(hold.until)
        elif unit is None or placement.goal is UnitGoal.INACTIVE:
            draft.withdraw(placement.machine, name, why_unwanted(placement, self._occupancy.units), lost=True)
        elif self._holds.forgotten_at(placement.machine) <= self._now:
            draft.withdraw(placement.machine, name, _FORGOTTEN, lost=True)
        else:
            self.wake(self._holds.forgotten_at(placement.machine))
