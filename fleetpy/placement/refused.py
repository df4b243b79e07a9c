"""What a machine's agent refuses: a unit whose name a unit of the host's own already has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.refusal import Refusal

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.rule import Surroundings


class NotRefused:
    """The machine's agent has not refused the unit with this uid and this text."""

    def applies(self, unit: Unit) -> bool:  # noqa: ARG002 - the rule's face
        """To every unit."""
        return True

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:
        """Refuses with the agent's own words."""
        why = around.refused(machine.id, unit)
        if why is None:
            return None
        return Refusal(f"refuses it: {why}", f"refuse it: {why}", "refuse it")
