"""Since when machines are lost: those that were live, or still have placements, and no longer have a lease.

A machine that has nothing left on it is remembered for a while too. Leases that were lost together do not expire in the
same moment, and the brake on mass failure must see them together even though the first one's units have moved by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetpy.ids import MachineID


class Losses:
    """What one leader has noticed; `remember` is how long (seconds) it keeps machines that have nothing left."""

    def __init__(self, remember: float) -> None:
        self._remember = remember
        self._live: frozenset[MachineID] = frozenset()
        self._lost_at: dict[MachineID, float] = {}

    def update(
        self, placed_on: Iterable[MachineID], live: Iterable[MachineID], now: float
    ) -> Mapping[MachineID, float]:
        """The lost machines, each with when it was first noticed to be (seconds of the clock that `now` is from)."""
        placed, before, self._live = frozenset(placed_on), self._live, frozenset(live)
        since = {
            machine: self._lost_at.get(machine, now)
            for machine in (placed | before | self._lost_at.keys()) - self._live
        }
        self._lost_at = {
            machine: since[machine]
            for machine in sorted(since)
            if machine in placed or now - since[machine] < self._remember
        }
        return self._lost_at
