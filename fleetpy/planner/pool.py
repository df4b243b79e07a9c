"""The machines that in themselves suit units with some `MachineMetadata`, and heaps of machines by load."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING

from fleetpy.placement.rules import MACHINE_RULES, applying, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import MachineID
    from fleetpy.placement.refusal import Refusal
    from fleetpy.planner.occupancy import Occupancy
    from fleetpy.planner.snapshot import Machine, Unit

_SPARE = 64
"""Entries that a heap may have beyond two for each machine."""


class Heap:
    """Machines by load, then id; `members` and `loads` belong to others, and what is not a member is passed over.

    A machine may have several entries. One whose load has grown is brought up to date when it comes to the top; when
    it has shrunk, or the machine is new, `push` must be told.
    """

    def __init__(self, members: AbstractSet[MachineID], loads: Mapping[MachineID, int]) -> None:
        self._members = members
        self._loads = loads
        self._entries = [(loads[machine], machine) for machine in members]
        heapq.heapify(self._entries)

    def push(self, machines: Collection[MachineID]) -> None:
        """Consider these again."""
        if len(self._entries) + len(machines) > 2 * len(self._members) + _SPARE:
            # Else the entries that have been outdated by others would become more and more.
            machines = {machine for _, machine in self._entries}.union(machines)
            self._entries = []
        for machine in machines:
            if machine in self._members:
                heapq.heappush(self._entries, (self._loads[machine], machine))

    def best(self, passes: Callable[[MachineID], bool], *, drop: bool) -> tuple[MachineID | None, int]:
        """The first machine that passes, and how many did not before it; those are dropped, or kept for the next."""
        entries = self._entries
        aside: list[tuple[int, MachineID]] = []
        found = None
        while entries:
            entry = load, machine = entries[0]
            now = self._loads[machine] if machine in self._members else -1
            if now > load:
                heapq.heapreplace(entries, (now, machine))
            elif now < load or (aside and aside[-1] == entry):
                heapq.heappop(entries)
            elif passes(machine):
                found = machine
                break
            else:
                aside.append(heapq.heappop(entries))
        if not drop:
            for entry in aside:
                heapq.heappush(entries, entry)
        return found, len(aside)


class Pool:
    """`machines` suit units that have the `MachineMetadata` of `unit`, and are bound to no machine."""

    def __init__(self, unit: Unit, occupancy: Occupancy, among: Collection[MachineID]) -> None:
        self._unit = unit
        self._rules = applying(MACHINE_RULES, unit)
        self._occupancy = occupancy
        self.machines = {machine for machine in among if self._refusal(occupancy.machines[machine]) is None}
        self.heap = Heap(self.machines, occupancy.loads)
        self.asked = True
        """Whether anybody has wanted to know lately."""
        self._refusals: Counter[Refusal] | None = None

    def refusals(self) -> Counter[Refusal]:
        """How many machines do not suit them, and for what."""
        if self._refusals is None:
            refusals = map(self._refusal, self._occupancy.machines.values())
            self._refusals = Counter(refused for refused in refusals if refused is not None)
        return self._refusals

    def change(self, machine: MachineID, before: Machine | None, after: Machine | None) -> None:
        """The machine has come, gone or changed; `heap` is told by others that it is to be considered again."""
        left = self._refusal(before) if before is not None else None
        refused = self._refusal(after) if after is not None else None
        if after is not None and refused is None:
            self.machines.add(machine)
        else:
            self.machines.discard(machine)
        if self._refusals is not None:
            if left is not None:
                self._refusals[left] -= 1
                self._refusals = +self._refusals
            if refused is not None:
                self._refusals[refused] += 1

    def _refusal(self, machine: Machine) -> Refusal | None:
        return refusal(self._rules, self._unit, machine, self._occupancy)
