"""Since when machines are lost: those that still have placements but no longer a lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetpy.ids import MachineID


def update_losses(
    known: Mapping[MachineID, float], placed_on: Iterable[MachineID], live: Iterable[MachineID], now: float
) -> dict[MachineID, float]:
    """The lost machines with the moment each was first noticed to be (seconds of the clock that `now` is from)."""
    lost = sorted(set(placed_on) - set(live))
    return {machine: known.get(machine, now) for machine in lost}
