"""`MachineID=`: only on the machine with this id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.refusal import Refusal

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.rule import Surroundings


class RequiresMachineID:
    """The machine is the one that the unit names."""

    def applies(self, unit: Unit) -> bool:
        """Whether the unit names a machine."""
        return unit.requirements.machine_id is not None

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:  # noqa: ARG002 - the rule's face
        """Refuses every other machine."""
        wanted = unit.requirements.machine_id
        if machine.id == wanted:
            return None
        return Refusal(f"is not {wanted}", f"are not {wanted}", "are not the one that it is bound to")
