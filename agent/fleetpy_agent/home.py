"""This machine's place in the registry: what most parts of the agent need to speak to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetpy.ids import MachineID, UnitName
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Registry


@dataclass(frozen=True, slots=True)
class Home:
    """A connection to the registry, its layout, and which machine is ours."""

    registry: Registry
    keys: Keys
    machine: MachineID

    @property
    def key(self) -> str:
        """The machine's own key."""
        return self.keys.machine(self.machine)

    @property
    def placements(self) -> str:
        """The prefix of what is wanted of it."""
        return self.keys.placements_of(self.machine)

    @property
    def states(self) -> str:
        """The prefix of what it says of itself."""
        return self.keys.states_of(self.machine)

    def state(self, name: UnitName) -> str:
        """The key of what it says of a unit."""
        return self.keys.state(self.machine, name)
