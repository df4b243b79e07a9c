"""That what could run does run, soon after each fault's end: a promise of its own, beside that all is well at last.

The cluster is calm from the end of the last fault on, or from when the brake on mass failure has let go. What could run
runs from `SOON` seconds after that on, as long as no other fault begins. What was asked for meanwhile has as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.placement.conflicts import in_conflict
from fleetpy.placement.replaces import names_as_replaced
from fleetpy.planner.snapshot import Circumstances
from tests.simulation.aftermath import tables_of
from tests.simulation.host import TTL
from tests.simulation.schedulers import SETTINGS
from tests.simulation.systemd import RUNNING
from tests.unit.planner.slow import slow_refuses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.snapshot import Snapshot, Unit
    from fleetpy.registry.memory import MemoryStore
    from tests.simulation.books import Books
    from tests.simulation.host import Host

SOON = TTL + 3.0
"""Seconds within which a unit runs again."""


class Uptime:
    """`slowest`: how long units take to stop and to start, where several have to, one after another."""

    def __init__(self, hosts: Sequence[Host], books: Books, store: MemoryStore, slowest: float) -> None:
        self._hosts = hosts
        self._books = books
        self._store = store
        self._bound = SOON + slowest

    def late(self, calm_since: float, now: float) -> str:
        """What could have been running by now, in words; empty if nothing is late."""
        undisturbed = now - max(calm_since, self._books.braked, self._books.rearranged)
        if undisturbed <= self._bound:
            return ""
        down = {name: hosts for name in sorted(self._books.units) if (hosts := self._down(name))}
        if not down:
            return ""
        tables = tables_of(self._store)
        snapshot = tables.snapshot(Circumstances(tables.revision))
        late = [wrong for name, hosts in down.items() if (wrong := self._late(snapshot, name, hosts, undisturbed, now))]
        return "; ".join(late)

    def _down(self, name: UnitName) -> set[MachineID]:
        """The machines on which the unit may have to run, and does not, nor has it failed or ended there."""
        record, usual = self._books.units[name], self._hosts[0].behaviours[name]
        if record.desired is not UnitGoal.LAUNCHED or usual.becomes != RUNNING or usual.start is None:
            return set()
        down = {host.id for host in self._hosts if host.systemd.active(name) not in {RUNNING, "failed"}}
        once = len(down) < len(self._hosts) and not self._books.requirements(name, record.hash).is_global
        return set() if once else down

    def _late(
        self, snapshot: Snapshot, name: UnitName, down: set[MachineID], undisturbed: float, now: float
    ) -> str | None:
        unit, asked = snapshot.units[name], self._books.asked
        others = [other.name for other in snapshot.units.values() if _concerns(other, unit)]
        since = max(asked.values()) if others or unit.requirements.machine_of else asked[name]
        # Of a unit that was destroyed nobody knows any more whether it stood in the way.
        since = max(since, *(when for other, when in asked.items() if other not in snapshot.units), since)
        bound = self._bound + (SETTINGS.lease + SETTINGS.stop_bound if self._books.stopping else 0.0)
        if min(undisturbed, now - since) <= bound:
            return None
        could = [
            machine[0]
            for machine in sorted(down & snapshot.machines.keys())
            if not slow_refuses(snapshot, unit, machine)
        ]
        return (
            f"{name} does not run {bound:g} s after all was calm, and {', '.join(could)} could have it"
            if could
            else None
        )


def _concerns(other: Unit, unit: Unit) -> bool:
    return in_conflict(unit, other) or names_as_replaced(unit, other) or names_as_replaced(other, unit)
