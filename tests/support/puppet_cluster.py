"""A cluster whose API is the real one, on a unix socket, and whose scheduler and agents are puppets.

    with PuppetCluster().serving(tmp_path / "fleet.sock") as endpoint: ...

The puppets do at once what is wanted, on the first machine, unless a test says otherwise. They work on the same store
as the API, in a thread of their own; a test may act on the store too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fleetpy.ids import Epoch, MachineID, SessionID, UnitName, UnitUID
from fleetpy.model.records import LeaderRecord, MachineRecord, PlacementRecord, StateRecord, UnitFileRecord, UnitRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.keys import Keys
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, Entry, Put, Write
from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import read_requirements
from fleetpy_api.assembly import Api
from fleetpy_api.listen import open_socket
from fleetpy_api.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEYS = Keys()
M1 = MachineID("113f16a7" + "0" * 24)
M2 = MachineID("85c0c595" + "0" * 24)
ADDRESSES = {M1: "172.18.0.3", M2: "172.18.0.4"}
MORNING = datetime(2026, 1, 2, 8, tzinfo=UTC)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass
class PuppetCluster:
    """What the puppets are to do, and ways to do it oneself."""

    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of the state that a unit has once it is launched, instead of those of a unit that runs."""
    ignored: set[str] = field(default_factory=set)
    """Units that the puppets do nothing for, in the last thing that is asked of them."""
    lingering: set[str] = field(default_factory=set)
    """Units that do not stop when they are destroyed, until `let_go`."""
    on_launch: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What is to happen, once, when a unit is to be launched."""
    destroyed: threading.Event = field(default_factory=threading.Event)
    """Set when a unit was destroyed."""
    store: MemoryStore = field(default_factory=lambda: MemoryStore(clock=time.monotonic))

    @contextmanager
    def serving(self, path: Path) -> Iterator[str]:
        """Serve on a socket while the context lasts; gives the endpoint."""
        for machine, address in ADDRESSES.items():
            record = MachineRecord(
                id=machine,
                session=SessionID("5" * 32),
                hostname=f"host-{machine[:2]}",
                public_ip=address,
                metadata={"disk": "ssd", "region": "us"},
                version="1",
            )
            self.store.commit([Put(KEYS.machine(machine), record.encode())])
        started = threading.Event()
        loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
        thread = threading.Thread(target=lambda: asyncio.run(self._run(path, started, loops)))
        thread.start()
        started.wait()
        try:
            yield f"unix://{path}"
        finally:
            loop, task = loops[0]
            loop.call_soon_threadsafe(task.cancel)
            thread.join()

    def add(self, name: str, text: str, state: UnitGoal = UnitGoal.INACTIVE) -> None:
        """Put a unit into the cluster, where it is wanted, as if the API had been asked to before it was served."""
        file = UnitFile.parse(text)
        record = UnitRecord(desired=state, hash=file.hash, changed_at=MORNING, changed_by="test")
        writes = [
            Put(KEYS.unit_file(file.hash), UnitFileRecord(text=file.text).encode()),
            Put(KEYS.unit(UnitName(name)), record.encode()),
        ]
        self.store.commit(writes)

    def lead(self) -> None:
        """Have a scheduler lead, which places nothing."""
        self.store.commit([Put(KEYS.leader, LeaderRecord(identity="puppet", since=NOON).encode())])

    def unit(self, name: str) -> UnitRecord | None:
        """What is stored of a unit."""
        entry = self.store.get(KEYS.unit(UnitName(name)))
        return UnitRecord.decode(entry.value) if entry else None

    def let_go(self, name: str) -> None:
        """Have the agent stop a unit that lingers."""
        self.store.commit([Delete(KEYS.state(M1, UnitName(name)))])

    def play(self, entry: Entry) -> None:
        """Have a unit as it is wanted; one that cannot be read is left as it is."""
        name = UnitName(entry.key.removeprefix(KEYS.units))
        try:
            record = UnitRecord.decode(entry.value)
        except ValueError:
            return
        if record.desired is UnitGoal.LAUNCHED and name in self.on_launch:
            self.on_launch.pop(name)()
        if name in self.ignored:
            return
        if record.desired is UnitGoal.INACTIVE:
            self._remove(name)
            return
        file = self.store.get(KEYS.unit_file(record.hash))
        assert file is not None
        unit_file = UnitFile.parse(UnitFileRecord.decode(file.value).text)
        requirements = read_requirements(parse_unit_name(name), unit_file)
        if requirements.metadata:
            return  # no machine has what tests ask for
        placement = PlacementRecord(
            uid=UnitUID(entry.create_revision),
            hash=record.hash,
            goal=record.desired,
            epoch=Epoch(entry.create_revision),
            restarted=record.restarted,
        )
        for machine in ADDRESSES if requirements.is_global else (M1,):
            self.store.commit([Put(KEYS.placement(machine, name), placement.encode())])
            self._report(name, placement, self.reports.get(name, {}), machine)

    def _report(
        self, name: UnitName, placement: PlacementRecord, words: dict[str, Any], machine: MachineID = M1
    ) -> None:
        runs = placement.goal is UnitGoal.LAUNCHED
        state = {
            "goal": placement.goal,
            "load": "loaded",
            "active": "active" if runs else "inactive",
            "sub": "running" if runs else "dead",
            "since": NOON if runs else None,
            "restarted": placement.restarted,
            **(words if runs else {}),
        }
        record = StateRecord(uid=placement.uid, epoch=placement.epoch, hash=placement.hash, **state)
        self.store.commit([Put(KEYS.state(machine, name), record.encode())])

    def _remove(self, name: UnitName) -> None:
        writes: list[Write] = [Delete(KEYS.placement(machine, name)) for machine in ADDRESSES]
        if name not in self.lingering:
            writes += [Delete(KEYS.state(machine, name)) for machine in ADDRESSES]
        self.store.commit(writes)

    async def _run(
        self,
        path: Path,
        started: threading.Event,
        loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]],
    ) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        loops.append((loop, task))
        api = Api(
            MemoryRegistry(self.store), KEYS, token_limit=100, clock=time.monotonic, now=lambda: datetime.now(tz=UTC)
        )
        server = Server(api.front, ending=api.streams.end)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(api.run())
                group.create_task(self._play())
                group.create_task(server.run_on([open_socket(path)]))
                await api.picture.synced()
                started.set()
        except asyncio.CancelledError:
            return

    async def _play(self) -> None:
        registry = MemoryRegistry(self.store)
        page = await registry.page(KEYS.units, limit=100_000)
        for entry in page.entries:
            self.play(entry)
        async for batch in registry.watch(KEYS.units, start=page.revision + 1):  # type: ignore[arg-type]
            for event in batch.events:
                if isinstance(event, Entry):
                    self.play(event)
                else:
                    self._remove(UnitName(event.key.removeprefix(KEYS.units)))
                    self.destroyed.set()
