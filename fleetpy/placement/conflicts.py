"""`Conflicts=`: never beside a unit whose name matches, in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.refusal import Refusal
from fleetpy.unit.glob import matches

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.rule import Surroundings


class AvoidsConflicts:
    """No unit on the machine conflicts with this one, whichever of the two says so."""

    def applies(self, unit: Unit) -> bool:  # noqa: ARG002 - the rule's face
        """To every unit: another one's `Conflicts` may mean it."""
        return True

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:
        """Refuses with the first conflicting unit, by name."""
        other = around.conflicting(machine.id, unit)
        if other is None:
            return None
        return Refusal(
            f"runs {other}, which conflicts", f"run {other}, which conflicts", "run units that conflict with it"
        )


def in_conflict(one: Unit, other: Unit) -> bool:
    """Whether two units may not be on one machine. A unit never conflicts with itself, whatever its patterns."""
    return one.name != other.name and (_names(one, other) or _names(other, one))


def _names(one: Unit, other: Unit) -> bool:
    return any(matches(pattern, other.name) for pattern in one.requirements.conflicts)
