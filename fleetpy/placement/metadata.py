"""`MachineMetadata=`: only on machines that have, for each key, one of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.refusal import Refusal

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.rule import Surroundings


class RequiresMetadata:
    """The machine has the metadata that the unit asks for."""

    def applies(self, unit: Unit) -> bool:
        """Whether the unit asks for metadata."""
        return bool(unit.requirements.metadata)

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:  # noqa: ARG002 - the rule's face
        """Refuses with all that is lacking: "lacks disk=ssd and region=eu or us"."""
        has = machine.metadata
        lacking = [(key, values) for key, values in unit.requirements.metadata if has.get(key) not in values]
        if not lacking:
            return None
        what = " and ".join(f"{key}={' or '.join(sorted(values))}" for key, values in lacking)
        return Refusal(f"lacks {what}", f"lack {what}", "lack metadata that it asks for")
