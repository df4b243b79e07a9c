"""The brake on mass failure: when a large part of the cluster vanishes at once, its units stay where they are.

That is taken for a fault of the network or of the registry: to start everything on the few machines that are left would
do more harm than to wait. Each lost machine gets some time to return, or until an operator says that it will not.

Leases that were lost together do not end in the same moment, so machines that have fallen silent count as well. Nor do
machines return in the same moment: when so many are back that the rest would not have engaged the brake, the rest get
one more TTL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fleetpy.planner.words import vanished_at_once

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import MachineID
    from fleetpy.planner.facts import Facts
    from fleetpy.planner.settings import PlanSettings
    from fleetpy.planner.snapshot import Circumstances


@dataclass(frozen=True, slots=True)
class Brake:
    """The brake, engaged."""

    held: tuple[MachineID, ...]
    """The lost machines whose units it holds, by id."""
    lost: int
    """How many machines vanished, with those that an operator has released, and those that are about to be lost."""
    total: int
    """How many there were."""
    until: float
    """When it lets go by itself (seconds of the leader's clock)."""
    certain: bool
    """Whether machines that are lost were enough to engage it, without those that have only fallen silent."""
    easing_until: float | None = None
    """When it lets go of all at once, since most machines have returned."""

    @property
    def why(self) -> str:
        """In words, for each unit that it holds."""
        return vanished_at_once(self.lost, self.total)


def engaged(facts: Facts, circumstances: Circumstances, now: float, settings: PlanSettings) -> Brake | None:
    """The brake, if too many machines were lost within the time that they get for returning."""
    hold = settings.mass_loss_hold
    noticed = circumstances.lost_at
    lost = {
        machine: lost_at
        for machine in facts.lost | noticed.keys()
        if machine not in facts.machines and (lost_at := noticed.get(machine, now)) > now - hold
    }
    released = circumstances.released
    total = len(facts.machines) + len(lost)
    vanished = len(lost) + sum(machine in facts.machines for machine in circumstances.silent)
    enough = settings.mass_loss_fraction * total
    before = circumstances.brake
    if total < settings.mass_loss_machines or vanished <= enough:
        return _eased(before, lost.keys() - released, now, settings) if before is not None and before.certain else None
    held = tuple(sorted(lost.keys() - released))
    if not held:
        return None
    certain = len(lost) > enough or (before is not None and before.certain)
    return Brake(held, vanished, total, max(lost[machine] for machine in held) + hold, certain)


def _eased(before: Brake, lost: AbstractSet[MachineID], now: float, settings: PlanSettings) -> Brake | None:
    """The brake when it would not be engaged any more but was."""
    until = before.easing_until if before.easing_until is not None else now + settings.ttl
    held = tuple(machine for machine in before.held if machine in lost)
    if not held or until <= now:
        return None
    return replace(before, held=held, until=until, easing_until=until)
