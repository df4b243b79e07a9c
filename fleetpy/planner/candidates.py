"""Which machine a newcomer gets: of those that pass every rule the least loaded, and of equals the first by id.

A cluster has many units of few kinds. Units of one kind (equal `MachineMetadata` and `MachineOf`, and the same
patterns that tell whom they conflict with and who replaces them) are refused by the same machines, and a machine that
refuses goes on refusing: within one plan for good, and afterwards until something changes on it. So:

* what machines are like in themselves is looked up once for each `MachineMetadata`, in a pool with a heap by load;
* within a plan loads only grow, so a heap's entry is brought up to date when it comes to the top;
* machines that refuse are set aside and put back; a kind for which that has happened too often gets a heap of its
  own, from which they are dropped;
* heaps are kept from one plan to the next, and given those machines anew on which anything has changed meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from fleetpy.placement.rules import ALL_RULES, NEIGHBOUR_RULES, applying, refusal
from fleetpy.planner.pool import Heap, Pool

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.placement.refusal import Refusal
    from fleetpy.planner.occupancy import Occupancy
    from fleetpy.planner.order import Order
    from fleetpy.planner.snapshot import Machine, Unit

_FEW = 8
"""With so few machines in question there is no need for a heap."""
_POOLS = 64
"""So many pools are kept though nobody has asked for them lately."""

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


class _KindState:
    """How often machines were set aside for a kind, and its own heap once that was too often."""

    __slots__ = ("aside", "heap")

    def __init__(self) -> None:
        self.aside = 0
        self.heap: Heap | None = None


class Candidates:
    """Finds machines for newcomers."""

    def __init__(self, occupancy: Occupancy, order: Order) -> None:
        self._occupancy = occupancy
        self._order = order
        self._by_metadata: dict[tuple[str, str], set[MachineID]] = defaultdict(set)
        self._pools: dict[Metadata, Pool] = {}
        self._kinds: dict[Kind, _KindState] = defaultdict(_KindState)
        self._asked: set[Kind] = set()
        """The kinds with heaps of their own that were asked for since `refresh`."""

    def change(self, machine: MachineID, before: Machine | None, after: Machine | None) -> None:
        """The machine has come, gone or changed."""
        for pair in before.metadata.items() if before is not None else ():
            self._by_metadata[pair].discard(machine)
            if not self._by_metadata[pair]:
                del self._by_metadata[pair]
        for pair in after.metadata.items() if after is not None else ():
            self._by_metadata[pair].add(machine)
        for pool in self._pools.values():
            pool.change(machine, before, after)

    def refresh(self) -> None:
        """Consider the machines again on which anything has changed; do so before each plan."""
        # Kinds for which nobody waits any more are forgotten, and those that come to machines by what others do within
        # the same plan, their leaders.
        self._kinds = defaultdict(_KindState, {kind: self._kinds[kind] for kind in self._asked if not kind.machine_of})
        self._asked.clear()
        if len(self._pools) > _POOLS:
            self._pools = {metadata: pool for metadata, pool in self._pools.items() if pool.asked}
        stirred = self._occupancy.stirred
        for pool in self._pools.values():
            pool.asked = False
            pool.heap.push(stirred)
        for state in self._kinds.values():
            if state.heap is not None:
                state.heap.push(stirred)
        stirred.clear()

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

    def suitable(self, unit: Unit) -> AbstractSet[MachineID]:
        """The machines that in themselves suit a unit that is bound to none."""
        return self._pool(unit).machines

    def unsuitable(self, unit: Unit) -> Counter[Refusal]:
        """How many machines do not, and for what."""
        return self._pool(unit).refusals()

    def _pool(self, unit: Unit) -> Pool:
        metadata = unit.requirements.metadata
        pool = self._pools.get(metadata)
        if pool is None:
            occupancy = self._occupancy
            pool = self._pools[metadata] = Pool(unit, occupancy, self._with_some_of(metadata))
        pool.asked = True
        return pool

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

        pool = self._pool(unit)
        if occupancy.refusals.of(unit.name):
            return pool.heap.best(passes, drop=False)[0]
        kind = self.kind(unit)
        state = self._kinds[kind]
        if state.heap is None:
            found, aside = pool.heap.best(passes, drop=False)
            state.aside += aside
            if state.aside > len(pool.machines):
                state.heap = Heap(pool.machines, occupancy.loads)
            return found
        self._asked.add(kind)
        return state.heap.best(passes, drop=True)[0]
