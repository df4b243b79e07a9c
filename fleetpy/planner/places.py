"""Which machines each unit has something to do with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import KeysView
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import MachineID, UnitName

_NOWHERE: frozenset[MachineID] = frozenset()


class Places:
    """Unit to machines. Most units have one machine, and such units share one set: a set takes 216 bytes."""

    def __init__(self) -> None:
        self._of: dict[UnitName, AbstractSet[MachineID]] = {}
        self._alone: dict[MachineID, frozenset[MachineID]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def names(self) -> KeysView[UnitName]:
        """The units that have any."""
        return self._of.keys()

    def of(self, name: UnitName) -> AbstractSet[MachineID]:
        """The machines of a unit; not to be kept, since it may change."""
        return self._of.get(name, _NOWHERE)

    def add(self, name: UnitName, machine: MachineID) -> None:
        """The unit has this one too."""
        before = self._of.get(name)
        if before is None:
            alone = self._alone.get(machine)
            if alone is None:
                alone = self._alone[machine] = frozenset((machine,))
            self._of[name] = alone
        elif isinstance(before, set):
            before.add(machine)
        elif machine not in before:
            self._of[name] = {*before, machine}

    def discard(self, name: UnitName, machine: MachineID) -> None:
        """The unit does not have this one any more."""
        before = self._of.get(name)
        if before is None or machine not in before:
            return
        if isinstance(before, set):
            before.remove(machine)
        if not isinstance(before, set) or not before:
            del self._of[name]
