"""The cluster as the API answers for it: the registry's tables, asked by unit and by machine.

It is fed by a watch, so no request reads the registry. While the registry is away it goes on showing what was last
seen: an operator then wants to know what ran where more than ever. Answers are marked then (`Front`), health says so,
and nothing can be changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.ids import MachineID, UnitName
from fleetpy.model.cluster import Placement
from fleetpy.model.states import UnitGoal
from fleetpy.registry.decoding import StoredMachine, StoredSettings, StoredState, StoredUnit, UnreadableUnit
from fleetpy.registry.keys import split_machine_and_unit
from fleetpy.schemas.fleetpy_v1 import Brake, Explanation, HeldMachine, MachineVerdict
from fleetpy_api.decide import Known
from fleetpy_api.entities import UnitFacts, machine_status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from fleetpy.ids import Revision
    from fleetpy.model.records import MachineSettingsRecord
    from fleetpy.registry.cluster import Tables
    from fleetpy.registry.decoding import Decoded, StoredRelease
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.view import Changes, View
    from fleetpy.schemas.fleetpy_v1 import MachineStatus
    from fleetpy_api.reasons import Reasons


@dataclass(frozen=True, slots=True)
class News:
    """Names of what may look different now."""

    units: frozenset[UnitName]
    machines: frozenset[MachineID]


class Picture:
    """Reads the tables that `view` feeds. Entities are made when they are asked for, and never kept."""

    def __init__(self, keys: Keys, view: View[Decoded], tables: Tables, reasons: Reasons) -> None:
        self._keys = keys
        self._view = view
        self._tables = tables
        self._reasons = reasons

    @property
    def revision(self) -> Revision:
        """How new the picture is."""
        return self._view.revision

    @property
    def is_live(self) -> bool:
        """Whether it shows what happens as it happens; False while the registry is away."""
        return self._view.following

    @property
    def leader(self) -> str:
        """Who leads the schedulers; empty if nobody does."""
        return self._tables.leader.record.identity if self._tables.leader else ""

    async def synced(self) -> None:
        """Wait until the registry has been read once."""
        await self._view.synced()

    async def at_least(self, revision: Revision) -> None:
        """Wait until the picture is as new as `revision`."""
        await self._view.at_least(revision)

    def subscribe(self, callback: Callable[[News], None]) -> Callable[[], None]:
        """Call back after each change; what is returned ends that."""
        return self._view.subscribe(lambda changes: callback(self._news(changes)))

    def known(self, name: UnitName) -> Known | None:
        """The unit as it is stored, if there is one."""
        unit = self._tables.units.get(name)
        if unit is not None:
            states = tuple(self._tables.states.of_unit(name))
            adrift = any(state.report.adrift for state in states)
            restarted = max((state.restarted or "" for state in states), default=None)
            return Known(unit.record, unit.mod_revision, adrift, restarted)
        return Known(None, None) if name in self._tables.left_out else None

    def unit_names(self) -> Collection[UnitName]:
        """The names of all units."""
        return self._tables.units.keys()

    def unit(self, name: UnitName) -> UnitFacts | None:
        """A unit."""
        unit = self._tables.units.get(name)
        return self._facts(unit) if unit else None

    def units(self) -> Iterator[tuple[str, UnitFacts]]:
        """All units, each with its name, in no order."""
        return ((name, self._facts(unit)) for name, unit in self._tables.units.items())

    def states(self) -> Iterator[tuple[str, StoredState]]:
        """What machines say of units, with what to sort it by; also of units that are gone and not stopped yet."""
        return ((f"{name}\0{machine}", state) for (machine, name), state in self._tables.states.items() if state.active)

    def states_of(self, name: UnitName) -> list[StoredState]:
        """What machines say of a unit, by machine."""
        return [state for state in self._tables.states.of_unit(name) if state.active]

    def machine_ids(self) -> Collection[MachineID]:
        """The ids of the machines that are alive."""
        return self._tables.machines.keys()

    def machine(self, machine: MachineID) -> MachineStatus | None:
        """A machine that is alive."""
        stored = self._tables.machines.get(machine)
        return self._status(stored) if stored else None

    def machines(self) -> Iterator[tuple[str, MachineStatus]]:
        """The machines that are alive, each with its id, in no order."""
        return ((machine, self._status(stored)) for machine, stored in self._tables.machines.items())

    def settings(self, machine: MachineID) -> tuple[MachineSettingsRecord, Revision] | None:
        """What is set for a machine, and when it was last written."""
        stored = self._tables.settings.get(machine)
        return (stored.record, stored.mod_revision) if stored else None

    def knows_machine(self, machine: MachineID) -> bool:
        """Whether the machine is alive, has settings, or has units that wait for it to come back."""
        tables = self._tables
        return machine in tables.machines or machine in tables.settings or machine in tables.placed_machines()

    def brake(self) -> Brake:
        """How the brake on mass failure is."""
        stored = self._tables.brake
        if stored is None:
            return Brake(self.revision)
        record = stored.record
        count = self._tables.placements.count_of_machine
        held = [HeldMachine(machine, count(machine)) for machine in record.machines]
        return Brake(self.revision, held, record.lost, record.total, record.until.isoformat())

    def braked(self) -> int:
        """How many machines it holds."""
        return len(self._tables.brake.record.machines) if self._tables.brake is not None else 0

    def release(self) -> StoredRelease | None:
        """The machines that were released from it."""
        return self._tables.release

    def pending(self, name: UnitName) -> str:
        """Why a unit that waits for a machine has none."""
        return self._reasons.pending(name)

    def explain(self, name: UnitName) -> Explanation | None:
        """Where a unit is, where it would go, and why not elsewhere."""
        facts = self.unit(name)
        if facts is None:
            return None
        left_out = self._tables.left_out.get(name)
        if left_out is not None:
            return Explanation(name, left_out, facts.machine)
        explained = self._reasons.explain(name)
        verdicts = [MachineVerdict(one.machine, one.eligible, one.reason) for one in explained.verdicts]
        return Explanation(name, explained.summary, facts.machine, verdicts)

    def _facts(self, unit: StoredUnit) -> UnitFacts:
        tables, name = self._tables, unit.name
        stored = tables.unit_files.get(unit.hash)
        planned = tables.planned_units.get(name)
        is_global = planned is not None and planned.requirements.is_global
        placements = [
            placement for placement in tables.placements.of_unit(name) if placement.goal is not UnitGoal.INACTIVE
        ]
        alive = [placement for placement in placements if placement.machine in tables.machines]
        return UnitFacts(
            unit=unit,
            file=stored.file if stored else None,
            is_global=is_global,
            home=None if is_global else next(iter(alive or placements), None),
            states=[state for state in tables.states.of_unit(name) if state.report.uid == unit.uid],
            waits=unit.desired is not UnitGoal.INACTIVE and not alive,
        )

    def _status(self, stored: StoredMachine) -> MachineStatus:
        units = self._tables.placements.count_of_machine(stored.id)
        return machine_status(stored, self._tables.planned_machines[stored.id], units)

    def _news(self, changes: Changes[Decoded]) -> News:
        units: set[UnitName] = set()
        machines: set[MachineID] = set()
        for value in changes.changed.values():
            match value:
                case StoredUnit() | UnreadableUnit() | Placement() | StoredState():
                    units.add(value.name)
                case StoredMachine():
                    machines.add(value.id)
                case StoredSettings():
                    machines.add(value.machine)
        for key in changes.removed:
            self._note_removed(key, units, machines)
        return News(frozenset(units), frozenset(machines))

    def _note_removed(self, key: str, units: set[UnitName], machines: set[MachineID]) -> None:
        keys = self._keys
        for prefix in (keys.placements, keys.states):
            pair = split_machine_and_unit(key.removeprefix(prefix)) if key.startswith(prefix) else None
            if pair is not None:
                units.add(pair[1])
        if key.startswith(keys.units):
            units.add(UnitName(key.removeprefix(keys.units)))
        for prefix in (keys.machines, keys.machine_settings):
            if key.startswith(prefix):
                machines.add(MachineID(key.removeprefix(prefix)))
