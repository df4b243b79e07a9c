"""A fleet-api over a registry in memory, full of running units: `python -m benchmarks.api_in_memory SOCKET UNITS`.

It says `ready` on standard output when it can answer, and serves until it is told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.clusters import machine_id
from fleetpy.ids import Epoch, SessionID, UnitName, UnitUID
from fleetpy.model.records import (
    LeaderRecord,
    MachineRecord,
    PlacementRecord,
    Record,
    StateRecord,
    UnitFileRecord,
    UnitRecord,
)
from fleetpy.model.states import UnitGoal
from fleetpy.registry.keys import Keys
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import MAX_OPERATIONS, Put
from fleetpy.unit.file import UnitFile
from fleetpy_api.assembly import Api
from fleetpy_api.listen import open_socket
from fleetpy_api.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = Keys()
READY = "ready"
UNITS_PER_MACHINE = 100
FEWEST_MACHINES = 3
_FILE = UnitFile.parse("[Unit]\nDescription=Sleeps\n\n[Service]\nExecStart=/bin/sleep infinity\n")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def unit_name(number: int) -> UnitName:
    """The name of the unit of that number."""
    return UnitName(f"bench-{number:05}.service")


def fill(store: MemoryStore, units: int) -> None:
    """Put machines and running units into the store, as API, scheduler and agents would have."""
    machines = [machine_id(number) for number in range(max(FEWEST_MACHINES, units // UNITS_PER_MACHINE))]
    _put(store, _members(len(machines)))
    _put(store, ((KEYS.unit(unit_name(number)), _unit()) for number in range(units)))
    _put(store, _placed(store, units, len(machines)))


def _members(machines: int) -> Iterator[tuple[str, Record]]:
    yield KEYS.leader, LeaderRecord(identity="bench", since=_NOW)
    yield KEYS.unit_file(_FILE.hash), UnitFileRecord(text=_FILE.text)
    for number in range(machines):
        id_ = machine_id(number)
        address = f"192.0.2.{number % 250 + 1}"
        session = SessionID("0" * 32)
        yield (
            KEYS.machine(id_),
            MachineRecord(id=id_, session=session, hostname=f"host{number}", public_ip=address, version="1"),
        )


def _unit() -> UnitRecord:
    return UnitRecord(desired=UnitGoal.LAUNCHED, hash=_FILE.hash, changed_at=_NOW, changed_by="bench")


def _placed(store: MemoryStore, units: int, machines: int) -> Iterator[tuple[str, Record]]:
    for number in range(units):
        name, machine = unit_name(number), machine_id(number % machines)
        entry = store.get(KEYS.unit(name))
        assert entry is not None
        uid, epoch = UnitUID(entry.create_revision), Epoch(entry.create_revision)
        yield (
            KEYS.placement(machine, name),
            PlacementRecord(uid=uid, hash=_FILE.hash, goal=UnitGoal.LAUNCHED, epoch=epoch),
        )
        yield (
            KEYS.state(machine, name),
            StateRecord(
                uid=uid,
                epoch=epoch,
                hash=_FILE.hash,
                goal=UnitGoal.LAUNCHED,
                load="loaded",
                active="active",
                sub="running",
                result="success",
                since=_NOW,
            ),
        )


def _put(store: MemoryStore, records: Iterator[tuple[str, Record]]) -> None:
    while batch := [Put(key, record.encode()) for key, record in islice(records, MAX_OPERATIONS)]:
        store.commit(batch)


async def serve(socket: Path, units: int) -> None:
    """Serve until SIGTERM."""
    store = MemoryStore(clock=time.monotonic)
    fill(store, units)
    api = Api(MemoryRegistry(store), KEYS, token_limit=100, clock=time.monotonic, now=lambda: datetime.now(UTC))
    server = Server(api.front, ending=api.streams.end)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(api.run())
        await api.picture.at_least(store.revision)
        listener = open_socket(socket)
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        await server.run_on([listener])
        following.cancel()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
