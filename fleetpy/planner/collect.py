"""Which unit files nobody needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.ids import UnitHash


class HasHash(Protocol):
    """Whatever refers to a unit file: a unit or a placement, as the planner has it or as it stands in the registry."""

    @property
    def hash(self) -> UnitHash:
        """The unit file's hash."""
        ...


def unreferenced(
    stored: Iterable[UnitHash], units: Iterable[HasHash], placements: Iterable[HasHash]
) -> tuple[UnitHash, ...]:
    """The stored unit files, sorted, that no unit has as its text and no placement, live or lost, may still need.

    Give all units, also those whose text cannot be used. Whoever removes the files must make sure that nobody has
    taken one up since.
    """
    needed = {unit.hash for unit in units} | {placement.hash for placement in placements}
    return tuple(sorted(set(stored) - needed))
