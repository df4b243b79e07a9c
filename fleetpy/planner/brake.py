"""The brake on mass failure: when a large part of the cluster vanishes at once, its units stay where they are.

That is taken for a fault of the network or of the registry: to start everything on the few machines that are left would
do more harm than to wait. Each lost machine gets some time to return, or until an operator says that it will not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.planner.words import vanished_at_once

if TYPE_CHECKING:
    from fleetpy.ids import MachineID
    from fleetpy.planner.settings import PlanSettings
    from fleetpy.planner.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Brake:
    """The brake, engaged."""

    held: tuple[MachineID, ...]
    """The lost machines whose units it holds, by id."""
    lost: int
    """How many machines vanished, those among them that an operator has released."""
    total: int
    """How many there were."""
    until: float
    """When it lets go by itself (seconds of the leader's clock)."""

    @property
    def why(self) -> str:
        """In words, for each unit that it holds."""
        return vanished_at_once(self.lost, self.total)


def engaged(snapshot: Snapshot, now: float, settings: PlanSettings) -> Brake | None:
    """The brake, if too many machines were lost within the time that they get for returning."""
    hold = settings.mass_loss_hold
    placed_on = {machine for machine, _ in snapshot.placements}
    lost = {
        machine: lost_at
        for machine in placed_on | snapshot.lost_at.keys()
        if machine not in snapshot.machines and (lost_at := snapshot.lost_at.get(machine, now)) > now - hold
    }
    total = len(snapshot.machines) + len(lost)
    if total < settings.mass_loss_machines or len(lost) <= settings.mass_loss_fraction * total:
        return None
    held = tuple(sorted(lost.keys() - snapshot.released))
    if not held:
        return None
    return Brake(held, len(lost), total, max(lost[machine] for machine in held) + hold)
