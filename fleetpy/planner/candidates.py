"""Which machine a newcomer gets: of those that pass every rule the least loaded, and of equals the first by id.

A cluster has many units of few kinds. Units of one kind (equal `MachineMetadata` and `MachineOf`, and the same
patterns that tell whom they conflict with and who replaces them) are refused by the same machines, and within one plan
a machine that refuses goes on refusing. So:

* what machines are like in themselves is looked up once for each `MachineMetadata`, in a heap by load;
* loads only grow, so a heap's entry is brought up to date when it comes to the top;
* machines that refuse are set aside and put back; a kind for which that has happened too often gets a heap of its
  own, from which they are dropped for good.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from fleetpy.placement.rules import ALL_RULES, MACHINE_RULES, NEIGHBOUR_RULES, applying, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.occupancy import Occupancy
    from fleetpy.planner.order import Order
    from fleetpy.planner.snapshot import Unit

_FEW = 8
"""With so few machines in question there is no need for a heap."""

Metadata = tuple[tuple[str, frozenset[str]], ...]


class Kind(NamedTuple):
    """What units must have in common to be refused by the same machines, for the same reasons."""

    machine_id: MachineID | None
    metadata: Metadata
    machine_of: tuple[UnitName, ...]
    conflicts: tuple[str, ...]
    in_conflict_of: tuple[str, ...]
    in_replaces_of: tuple[str, ...]
    circle: int | None
    is_global: bool


class _Heap:
    """Machines by load, then id."""

    def __init__(self, machines: Iterable[MachineID], loads: Mapping[MachineID, int]) -> None:
        self._loads = loads
        self._entries = [(loads[machine], machine) for machine in machines]
        heapq.heapify(self._entries)

    def best(self, passes: Callable[[MachineID], bool], *, drop: bool) -> tuple[MachineID | None, int]:
        """The first machine that passes, and how many did not before it; those are dropped, or kept for the next."""
        entries = self._entries
        aside: list[tuple[int, MachineID]] = []
        found = None
        while entries:
            load, machine = entries[0]
            if self._loads[machine] != load:
                heapq.heapreplace(entries, (self._loads[machine], machine))
            elif passes(machine):
                found = machine
                break
            else:
                aside.append(heapq.heappop(entries))
        if not drop:
            for entry in aside:
                heapq.heappush(entries, entry)
        return found, len(aside)


class _KindState:
    """How often machines were set aside for a kind, and its own heap once that was too often."""

    __slots__ = ("aside", "heap")

    def __init__(self) -> None:
        self.aside = 0
        self.heap: _Heap | None = None


class Candidates:
    """Finds machines for newcomers while a plan is made."""

    def __init__(self, occupancy: Occupancy, order: Order) -> None:
        self._occupancy = occupancy
        self._order = order
        self._by_metadata: dict[tuple[str, str], list[MachineID]] = defaultdict(list)
        for machine in occupancy.machines.values():
            for pair in machine.metadata.items():
                self._by_metadata[pair].append(machine.id)
        self._suitable: dict[Metadata, tuple[MachineID, ...]] = {}
        self._heaps: dict[Metadata, _Heap] = {}
        self._kinds: dict[Kind, _KindState] = defaultdict(_KindState)

    def kind(self, unit: Unit) -> Kind:
        """The unit's kind."""
        wish = unit.requirements
        return Kind(
            wish.machine_id,
            wish.metadata,
            wish.machine_of,
            wish.conflicts,
            self._occupancy.conflicts.standing_for(unit.name),
            self._occupancy.replaces.standing_for(unit.name),
            self._order.circle_of(unit.name),
            wish.is_global,
        )

    def suitable(self, unit: Unit) -> tuple[MachineID, ...]:
        """The machines, by id, that in themselves suit a unit that is bound to none."""
        metadata = unit.requirements.metadata
        known = self._suitable.get(metadata)
        if known is None:
            rules = applying(MACHINE_RULES, unit)
            machines = self._occupancy.machines
            known = self._suitable[metadata] = tuple(
                sorted(
                    machine
                    for machine in self._with_some_of(metadata)
                    if refusal(rules, unit, machines[machine], self._occupancy) is None
                )
            )
        return known

    def _with_some_of(self, metadata: Metadata) -> Collection[MachineID]:
        """Machines that have what is asked for under the key that the fewest have; all, if nothing is asked for."""
        choices = [
            {machine for value in values for machine in self._by_metadata.get((key, value), ())}
            for key, values in metadata
        ]
        return min(choices, key=len) if choices else self._occupancy.machines.keys()

    def best(self, unit: Unit) -> MachineID | None:
        """The machine that a unit, which is on none, gets; None if none is eligible."""
        few = self._few(unit)
        return self.best_of(few, unit) if few is not None else self._best_of_many(unit)

    def best_of(self, machines: Iterable[MachineID], unit: Unit) -> MachineID | None:
        """The same, of these machines alone."""
        rules = applying(ALL_RULES, unit)
        occupancy = self._occupancy
        eligible = [
            machine
            for machine in machines
            if machine in occupancy.machines and refusal(rules, unit, occupancy.machines[machine], occupancy) is None
        ]
        return min(eligible, key=lambda machine: (occupancy.loads[machine], machine), default=None)

    def _few(self, unit: Unit) -> Collection[MachineID] | None:
        """The machines that the unit's own words leave over, if these are few."""
        wish = unit.requirements
        if wish.machine_id is not None:
            return (wish.machine_id,)
        if not wish.machine_of:
            return None
        fewest = min((self._occupancy.homes(leader) for leader in wish.machine_of), key=len)
        return fewest if len(fewest) <= _FEW else None

    def _best_of_many(self, unit: Unit) -> MachineID | None:
        rules = applying(NEIGHBOUR_RULES, unit)
        occupancy = self._occupancy

        def passes(machine: MachineID) -> bool:
            return refusal(rules, unit, occupancy.machines[machine], occupancy) is None

        if occupancy.is_refused_somewhere(unit.name):
            return self._shared_heap(unit).best(passes, drop=False)[0]
        state = self._kinds[self.kind(unit)]
        if state.heap is not None:
            return state.heap.best(passes, drop=True)[0]
        found, aside = self._shared_heap(unit).best(passes, drop=False)
        state.aside += aside
        if state.aside > len(self.suitable(unit)):
            state.heap = _Heap(self.suitable(unit), occupancy.loads)
        return found

    def _shared_heap(self, unit: Unit) -> _Heap:
        metadata = unit.requirements.metadata
        heap = self._heaps.get(metadata)
        if heap is None:
            heap = self._heaps[metadata] = _Heap(self.suitable(unit), self._occupancy.loads)
        return heap
