"""What the cluster consists of, as the rules and the planner see it: machines, units, placements and reports.

These are values of one moment, decoded and checked; `records` has what stands in the registry for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.ids import Epoch, MachineID, UnitHash, UnitName, UnitUID
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
    """A unit that a machine, live or not, is to have; with the goal `inactive`, one that it is to let go of."""

    machine: MachineID
    name: UnitName
    uid: UnitUID
    hash: UnitHash
    goal: UnitGoal
    epoch: Epoch
    restarted: str | None = None
    stops: bool = False
    """Its text has `OnPartition=stop`, or the one before it has, and the agent has not said that it is gone."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is left, or running, of a unit on a live machine, by its agent's word (its lease holds the word)."""

    machine: MachineID
    name: UnitName
    uid: UnitUID
    epoch: Epoch
    refused: str | None = None
    """Why the machine will not have the unit of this uid and hash; nothing of it is there then."""
    hash: UnitHash | None = None
    adrift: bool = False
    """It runs on, though the registry was set back to a state that does not have it there."""
