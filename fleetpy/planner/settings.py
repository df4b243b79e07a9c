"""What an operator may tune about planning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """All times are seconds."""

    ttl: float = 10.0
    """How long a machine's lease runs on after its last renewal; what a new leader finds missing it gives as long."""
    lease: float = 8.0
    """How long a machine that does not know yet that its lease was taken away may go by it."""
    stop_bound: float = 15.0
    """How long after that a lost machine may still be stopping a unit with `OnPartition=stop`.

    Hosts give such units 10 s and then kill them (fleet-lease.service); the rest is for noticing and for the killing.
    """
    mass_loss_fraction: float = 0.55
    """When more than this part of all machines vanishes at once, their units are not moved for `mass_loss_hold`."""
    mass_loss_machines: int = 5
    """In a cluster of fewer machines than this, no part of it is too large."""
    mass_loss_hold: float = 300.0
    """0 moves them all the same."""
    forget_after: float = 3600.0
    """What can go nowhere else stays placed on a lost machine for so long, in case it returns."""
