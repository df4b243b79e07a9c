"""The frozen picture of the cluster that the planner decides from, and that `explain` explains from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.ids import Epoch, MachineID, Revision, UnitHash, UnitName, UnitUID
    from fleetpy.model.states import UnitGoal
    from fleetpy.unit.requirements import Requirements


@dataclass(frozen=True, slots=True)
class Machine:
    """A live host: its lease is held."""

    id: MachineID
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The agent's own with the operator's on top."""
    cordoned: bool = False
    """Takes no new units; keeps what it has."""
    draining: bool = False
    """Takes no new units, and what it has moves away."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is wanted of a unit."""

    name: UnitName
    uid: UnitUID
    hash: UnitHash
    goal: UnitGoal
    requirements: Requirements
    restarted: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """A unit that a machine, live or not, is to have."""

    machine: MachineID
    name: UnitName
    uid: UnitUID
    hash: UnitHash
    goal: UnitGoal
    epoch: Epoch
    restarted: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What is left, or running, of a unit on a live machine, by its agent's word (its lease holds the word)."""

    machine: MachineID
    name: UnitName
    uid: UnitUID
    epoch: Epoch
    refused: str | None = None
    """Why the machine will not have the unit of this uid and hash."""
    hash: UnitHash | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster at one revision.

    `placements` and `reports` are keyed by machine and name. `lost_at` gives, for machines that have placements but
    are not live, when the leader first noticed (seconds of its own monotonic clock; a leader that has just taken
    over notices everything at that moment).
    """

    revision: Revision
    machines: Mapping[MachineID, Machine]
    units: Mapping[UnitName, Unit]
    placements: Mapping[tuple[MachineID, UnitName], Placement]
    reports: Mapping[tuple[MachineID, UnitName], Report]
    lost_at: Mapping[MachineID, float] = field(default_factory=dict)
    led_since: float = 0.0
    """When the leader that plans took over, by the same clock."""
