"""`MachineOf=`: only where these other units are, all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.refusal import Refusal

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.rule import Surroundings


class RequiresMachineOf:
    """Every unit that this one follows is on the machine, and is to stay there."""

    def applies(self, unit: Unit) -> bool:
        """Whether the unit follows others."""
        return bool(unit.requirements.machine_of)

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:
        """Refuses with the first leader that is not there."""
        for leader in unit.requirements.machine_of:
            if not around.has(machine.id, leader):
                return Refusal(
                    f"does not have {leader}, which it follows",
                    f"do not have {leader}, which it follows",
                    "do not have the units that it follows",
                )
        return None
