"""What a rule of placement is, and what it may ask about the rest of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fleetpy.ids import MachineID, UnitName
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.refusal import Refusal


class Surroundings(Protocol):
    """Who else is where; the planner answers from indexes, at the point that its plan has come to."""

    def has(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the machine has the unit, and is to keep it."""
        ...

    def conflicting(self, machine: MachineID, unit: Unit) -> UnitName | None:
        """The first unit on the machine, by name, that conflicts with this one; also one that is being stopped."""
        ...

    def replacing(self, machine: MachineID, unit: Unit) -> UnitName | None:
        """The first unit on the machine, by name, that replaces this one; also one that is being stopped."""
        ...

    def refused(self, machine: MachineID, unit: Unit) -> str | None:
        """Why the machine's agent will not have the unit with this uid and text, if it said so."""
        ...


class Rule(Protocol):
    """One reason for which a machine may not have a unit. Rules keep nothing: one object serves every question."""

    def applies(self, unit: Unit) -> bool:
        """Whether the rule can refuse this unit anywhere."""
        ...

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:
        """None if the machine passes; only asked when the rule applies to the unit."""
        ...
