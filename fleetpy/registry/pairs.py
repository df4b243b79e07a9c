"""A table keyed by machine and unit that can be asked from either side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from fleetpy.ids import MachineID, UnitName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

Pair = tuple[MachineID, UnitName]
V = TypeVar("V")


class PairTable(Mapping[Pair, V]):
    """A mapping with an index on each half of its keys; each answer takes as long as it is long."""

    def __init__(self) -> None:
        self._values: dict[Pair, V] = {}
        self._units: dict[MachineID, set[UnitName]] = {}
        # A list, as most units have one machine and a set would take twice the room.
        self._machines: dict[UnitName, list[MachineID]] = {}

    def __getitem__(self, pair: Pair) -> V:
        return self._values[pair]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def machines(self) -> AbstractSet[MachineID]:
        """The machines that have something here."""
        return self._units.keys()

    def of_unit(self, name: UnitName) -> list[V]:
        """What stands under a unit, ordered by machine."""
        return [self._values[machine, name] for machine in sorted(self._machines.get(name, ()))]

    def of_machine(self, machine: MachineID) -> list[V]:
        """What stands under a machine, ordered by unit."""
        return [self._values[machine, name] for name in sorted(self._units.get(machine, ()))]

    def count_of_machine(self, machine: MachineID) -> int:
        """How much stands under a machine."""
        return len(self._units.get(machine, ()))

    def copy(self) -> dict[Pair, V]:
        """A plain copy that will not change."""
        return self._values.copy()

    def put(self, pair: Pair, value: V) -> None:
        """Set a value."""
        if pair not in self._values:
            machine, name = pair
            self._units.setdefault(machine, set()).add(name)
            self._machines.setdefault(name, []).append(machine)
        self._values[pair] = value

    def drop(self, pair: Pair) -> V | None:
        """Take a value out, and return it; None if there is none."""
        if pair not in self._values:
            return None
        machine, name = pair
        self._units[machine].remove(name)
        if not self._units[machine]:
            del self._units[machine]
        self._machines[name].remove(machine)
        if not self._machines[name]:
            del self._machines[name]
        return self._values.pop(pair)
