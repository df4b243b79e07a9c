"""The frozen picture of the cluster that the planner decides from, and that `explain` explains from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpy.model.cluster import Machine, Placement, Report, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.ids import MachineID, Revision, UnitName
    from fleetpy.planner.brake import Brake

__all__ = ["Circumstances", "Machine", "Placement", "Report", "Snapshot", "Unit"]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a plan depends on beside the facts in the registry: what the leader that makes it has noticed."""

    revision: Revision
    """Of the facts."""
    lost_at: Mapping[MachineID, float] = field(default_factory=dict)
    """For machines that have placements but are not live, when the leader first noticed (seconds of its own monotonic
    clock; a leader that has just taken over notices everything at that moment). Machines that were lost lately and have
    no placements any more may stand in it too: they count when many machines vanish at once."""
    led_since: float = 0.0
    """When the leader that plans took over, by the same clock."""
    unheard_until: float = float("-inf")
    """Until when a machine that goes missing may be one that nobody could hear, by the same clock: the registry was
    away when the leader took over, so leases that could not be renewed end only now."""
    brake: Brake | None = None
    """The brake on mass failure as it was in the plan before."""
    silent: frozenset[MachineID] = frozenset()
    """Live machines that have missed heartbeats, and whose leases will end soon unless they are heard."""
    released: frozenset[MachineID] = frozenset()
    """Lost machines that an operator has released from the brake on mass failure."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster at one revision. `placements` and `reports` are keyed by machine and name."""

    circumstances: Circumstances
    machines: Mapping[MachineID, Machine]
    units: Mapping[UnitName, Unit]
    placements: Mapping[tuple[MachineID, UnitName], Placement]
    reports: Mapping[tuple[MachineID, UnitName], Report]
