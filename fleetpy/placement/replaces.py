"""`Replaces=`: takes the machine of the unit that it names, and keeps that one away.

While A with `Replaces=B` is on a machine, B may not be there: it moves elsewhere, or waits. Global units are never
replaced: they are everywhere already, so there is no elsewhere for them to move to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.placement.refusal import Refusal
from fleetpy.unit.glob import matches

if TYPE_CHECKING:
    from fleetpy.model.cluster import Machine, Unit
    from fleetpy.placement.rule import Surroundings


class AvoidsReplacers:
    """No unit on the machine replaces this one."""

    def applies(self, unit: Unit) -> bool:
        """To every unit that is not global: another one's `Replaces` may mean it."""
        return not unit.requirements.is_global

    def check(self, unit: Unit, machine: Machine, around: Surroundings) -> Refusal | None:
        """Refuses with the first replacing unit, by name."""
        other = around.replacing(machine.id, unit)
        if other is None:
            return None
        return Refusal(
            f"runs {other}, which replaces it", f"run {other}, which replaces it", "run units that replace it"
        )


def names_as_replaced(one: Unit, other: Unit) -> bool:
    """Whether `one` says that it replaces `other`. The planner leaves out those that would close a circle."""
    return (
        one.name != other.name
        and not other.requirements.is_global
        and any(matches(pattern, other.name) for pattern in one.requirements.replaces)
    )
