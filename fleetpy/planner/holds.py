"""When a machine that is not live may be taken for dead, so that its units may start elsewhere.

As long as any of these holds, what a lost machine has stays placed there:

* a new leader gives a machine that it finds missing one TTL to turn up (nobody may have looked for long, as when etcd
  was away; one that it still found has been silent for a whole TTL by the time that it goes missing, unless etcd has
  only just come back);
* when a large part of the cluster vanishes at once, the brake gives each lost machine some time to return;
* a unit with `OnPartition=stop` waits until its host must have stopped it, by the host's own clock. Where the text
  that the host has is not known any more (the unit is gone, or is another by now), it may have been one of these.

Afterwards a unit leaves its lost machine in the same plan that gives it another. What finds no other (a global unit,
one bound to the machine) stays placed, so that a machine that returns just goes on with it; after `forget_after` it
goes too, so that machines that never return leave nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.planner.brake import engaged
from fleetpy.unit.requirements import OnPartition

if TYPE_CHECKING:
    from fleetpy.ids import MachineID
    from fleetpy.planner.facts import Facts
    from fleetpy.planner.settings import PlanSettings
    from fleetpy.planner.snapshot import Circumstances, Placement, Unit

_TAKEOVER = "the scheduler has just begun to lead, and lets the machine turn up first"
_STOPPING = "the machine must have stopped it by itself before it may start elsewhere"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why, and until when (seconds of the leader's clock), a unit stays placed on a lost machine."""

    until: float
    why: str


class Holds:
    """What is held, at one moment."""

    def __init__(self, facts: Facts, circumstances: Circumstances, now: float, settings: PlanSettings) -> None:
        self._lost_at = circumstances.lost_at
        self._now = now
        self._settings = settings
        self._unheard_until = max(circumstances.led_since, circumstances.unheard_until)
        self._takeover = Hold(circumstances.led_since + settings.ttl, _TAKEOVER)
        self.brake = engaged(facts, circumstances, now, settings)
        """The brake on mass failure, if it is on."""

    def on(self, placement: Placement, unit: Unit | None) -> Hold | None:
        """The hold that ends last, or None if the unit may leave the lost machine now."""
        lost_at = self.lost_at(placement.machine)
        holds = []
        if lost_at <= self._unheard_until:
            holds.append(self._takeover)
        if self.brake is not None and placement.machine in self.brake.held:
            until = min(lost_at + self._settings.mass_loss_hold, self.brake.until)
            holds.append(Hold(until, self.brake.why))
        if _may_stop_itself(placement, unit):
            # Whether its lease has expired, for the host too, or was revoked before its time, nothing tells.
            holds.append(Hold(lost_at + self._settings.lease + self._settings.stop_bound, _STOPPING))
        last = max(holds, key=lambda hold: hold.until, default=None)
        return last if last is not None and last.until > self._now else None

    def lost_at(self, machine: MachineID) -> float:
        """When the machine was first seen to be lost: now, if nobody has noted it."""
        return self._lost_at.get(machine, self._now)

    def forgotten_at(self, machine: MachineID) -> float:
        """When what the machine still has placed on it is given up."""
        return self.lost_at(machine) + self._settings.forget_after


def _may_stop_itself(placement: Placement, unit: Unit | None) -> bool:
    if placement.stops or unit is None or (unit.uid, unit.hash) != (placement.uid, placement.hash):
        return True
    return unit.requirements.on_partition is OnPartition.STOP
