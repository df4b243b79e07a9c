"""Stand-ins for agents: `python -m benchmarks.scale_stand_ins ETCD-URL FIRST COUNT`.

One process plays all machines: it reads every placement from one watch, and writes for each machine what its agent
would, in transactions with the same guards: that a unit comes, and, when that is written, that it runs. So the control
plane has as much to do as with real agents, which take most of a small machine's processors when all of them are on it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.clusters import machine_id
from benchmarks.scale_agents import CONFIG, PATIENCE, describe
from fleetpy.ids import MachineID, Revision, SessionID, UnitName
from fleetpy.model.records import PlacementRecord, StateRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.keys import Keys, split_machine_and_unit
from fleetpy.registry.lease import Renewer
from fleetpy.registry.protocol import Absent, Entry, Put, UnchangedSince
from fleetpy.registry.view import View
from fleetpy_agent.agent import TOGETHER
from fleetpy_agent.publisher import APART

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fleetpy.ids import LeaseID
    from fleetpy.registry.protocol import Registry
    from fleetpy.registry.view import Changes

KEYS = Keys()
SESSION = SessionID("0" * 32)


class StandIns:
    """All machines; `spawn` has something go on beside."""

    def __init__(
        self, registry: Registry, lease: LeaseID, spawn: Callable[[Coroutine[None, None, None]], object]
    ) -> None:
        self._registry = registry
        self._lease = lease
        self._spawn = spawn
        self._written: dict[MachineID, Revision] = {}
        self._waiting: defaultdict[MachineID, dict[UnitName, Entry]] = defaultdict(dict)
        self._busy: set[MachineID] = set()

    async def register(self, machine: MachineID) -> None:
        """Have the cluster count on the machine."""
        key, record = KEYS.machine(machine), describe(machine, SESSION)
        put = Put(key, record.encode(), self._lease)
        self._written[machine] = await self._registry.commit([put], guards=[Absent(key)])

    def placed(self, changes: Changes[Entry]) -> None:
        """Placements are new; those that changed or went are of no interest here."""
        for key, entry in changes.changed.items():
            pair = split_machine_and_unit(key.removeprefix(KEYS.placements))
            if pair is not None and pair[0] in self._written:
                self._waiting[pair[0]][pair[1]] = entry
        for machine in self._waiting.keys() - self._busy:
            self._busy.add(machine)
            self._spawn(self._serve(machine))

    async def _serve(self, machine: MachineID) -> None:
        """What a machine has to say, until there is no more."""
        while machine in self._waiting:
            await asyncio.sleep(TOGETHER)
            units = self._waiting.pop(machine)
            fence = UnchangedSince(KEYS.machine(machine), self._written[machine])
            premises = [UnchangedSince(entry.key, entry.mod_revision) for entry in units.values()]
            await self._registry.commit(self._states(machine, units, UnitGoal.INACTIVE), guards=[fence, *premises])
            await asyncio.sleep(APART)
            await self._registry.commit(self._states(machine, units, UnitGoal.LAUNCHED), guards=[fence])
        self._busy.discard(machine)

    def _states(self, machine: MachineID, units: dict[UnitName, Entry], goal: UnitGoal) -> list[Put]:
        return [
            Put(KEYS.state(machine, name), _state(PlacementRecord.decode(entry.value), goal).encode(), self._lease)
            for name, entry in units.items()
        ]


def _state(placement: PlacementRecord, goal: UnitGoal) -> StateRecord:
    runs = goal is UnitGoal.LAUNCHED
    return StateRecord(
        uid=placement.uid,
        epoch=placement.epoch,
        hash=placement.hash,
        goal=goal,
        load="loaded" if runs else "not-found",
        active="active" if runs else "inactive",
        sub="running" if runs else "dead",
        result="success",
        since=datetime.now(UTC) if runs else None,
    )


async def serve(url: str, first: int, count: int) -> None:
    """Play machines `first` and on until cancelled."""
    gc.freeze()
    registry = connect(EtcdSettings((url,), request_timeout=PATIENCE))
    renewer = Renewer(registry, CONFIG.agent_lease)
    async with asyncio.TaskGroup() as group:
        group.create_task(renewer.run())
        machines = StandIns(registry, await renewer.grant(), group.create_task)
        for number in range(first, first + count):
            await machines.register(machine_id(number))
        view: View[Entry] = View(registry, KEYS.placements, lambda entry: entry)
        view.subscribe(machines.placed)
        group.create_task(view.run())


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
