"""The rules in the order in which they are asked: the first refusal is the one that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.conflicts import AvoidsConflicts
from fleetpy.placement.machine_id import RequiresMachineID
from fleetpy.placement.machine_of import RequiresMachineOf
from fleetpy.placement.metadata import RequiresMetadata
from fleetpy.placement.refused import NotRefused
from fleetpy.placement.replaces import AvoidsReplacers
from fleetpy.placement.schedulable import NotCordoned, NotDraining

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.refusal import Refusal
    from fleetpy.placement.rule import Rule, Surroundings

MACHINE_RULES: tuple[Rule, ...] = (RequiresMachineID(), RequiresMetadata(), NotCordoned(), NotDraining())
"""What a newcomer asks of a machine in itself: the same answer whatever else runs there, and for every unit with the
same `MachineID` and `MachineMetadata`."""

NEIGHBOUR_RULES: tuple[Rule, ...] = (RequiresMachineOf(), NotRefused(), AvoidsConflicts(), AvoidsReplacers())
"""What a newcomer asks of what else there is on a machine."""

ALL_RULES: tuple[Rule, ...] = MACHINE_RULES + NEIGHBOUR_RULES
"""What makes a live machine eligible for a newcomer."""

STAYING_RULES: tuple[Rule, ...] = (RequiresMachineID(), RequiresMetadata(), NotDraining(), NotRefused())
"""What makes a unit leave the machine that it is on, whatever else is there. Where two units may not stay together,
the planner decides which of them leaves."""


def applying(rules: Iterable[Rule], unit: Unit) -> tuple[Rule, ...]:
    """Those of the rules that can refuse this unit anywhere."""
    return tuple(rule for rule in rules if rule.applies(unit))


def refusal(rules: Iterable[Rule], unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:
    """The first refusal by rules that apply to the unit, or None if the machine passes them all."""
    for rule in rules:
        refused = rule.check(unit, machine, around)
        if refused is not None:
            return refused
    return None
