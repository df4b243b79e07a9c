"""What an operator set for a machine: a cordoned one takes no new units, a draining one also gives up what it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.refusal import Refusal

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.rule import Surroundings

_CORDONED = Refusal("is cordoned", "are cordoned", "are cordoned")
_DRAINING = Refusal("is draining", "are draining", "are draining")


class NotCordoned:
    """The machine takes new units. Asked of newcomers only: what a cordoned machine has, it keeps."""

    def applies(self, unit: Unit) -> bool:  # noqa: ARG002 - the rule's face
        """To every unit."""
        return True

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:  # noqa: ARG002 - likewise
        """Refuses cordoned machines."""
        return _CORDONED if machine.cordoned else None


class NotDraining:
    """The machine is not being emptied."""

    def applies(self, unit: Unit) -> bool:  # noqa: ARG002 - the rule's face
        """To every unit."""
        return True

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:  # noqa: ARG002 - likewise
        """Refuses draining machines."""
        return _DRAINING if machine.draining else None
