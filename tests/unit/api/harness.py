"""An API over a cluster in memory, asked without sockets; agents and schedulers are played by writing their keys."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from fleetpy.ids import Epoch, MachineID, Revision, SessionID, UnitHash, UnitName, UnitUID
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
from fleetpy.registry.protocol import Delete, Put
from fleetpy.unit.file import UnitFile
from fleetpy_api.assembly import Api
from tests.support.faulty import FaultyRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fleetpy.registry.protocol import Registry
    from tests.support.faulty import Faults

KEYS = Keys()
M1 = MachineID("1" * 32)
M2 = MachineID("2" * 32)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SLEEP = [{"section": "Service", "name": "ExecStart", "value": "/bin/sleep infinity"}]
WAKE = [{"section": "Service", "name": "ExecStart", "value": "/bin/true"}]
GLOBAL = [*SLEEP, {"section": "X-Fleet", "name": "Global", "value": "true"}]


class WallClock:
    """A second later each time it is asked."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


@dataclass(slots=True)
class Cluster:
    """A cluster's registry, and an API that answers for it."""

    store: MemoryStore
    api: Api
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask the API."""
        return await self.http.request(method, path, **request)

    async def json(self, path: str, **request: Any) -> Any:
        """The body of a good answer to a GET."""
        answer = await self.ask("GET", path, **request)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def set(
        self,
        name: str,
        state: str | None = None,
        options: list[dict[str, str]] | None = None,
        prefix: str = "/fleet/v1",
    ) -> int:
        """PUT a unit; the status."""
        body = {key: value for key, value in (("desiredState", state), ("options", options)) if value is not None}
        return (await self.ask("PUT", f"{prefix}/units/{name}", json=body)).status_code

    async def change(self, *changes: dict[str, Any]) -> list[dict[str, Any]]:
        """Send a batch of changes; the results."""
        answer = await self.ask("POST", "/fleetpy/v1/changes", json={"changes": list(changes)})
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def unit(self, name: str) -> UnitRecord | None:
        """What is stored of a unit."""
        entry = self.store.get(KEYS.unit(UnitName(name)))
        return UnitRecord.decode(entry.value) if entry else None

    def uid(self, name: str) -> UnitUID:
        """Which unit of the name it is."""
        entry = self.store.get(KEYS.unit(UnitName(name)))
        assert entry is not None
        return UnitUID(entry.create_revision)

    async def put(self, key: str, record: Record | bytes) -> Revision:
        """Write a key, as an agent, a scheduler or another host's API would, and have the API see it."""
        revision = self.store.commit([Put(key, record if isinstance(record, bytes) else record.encode())])
        await self.api.picture.at_least(revision)
        return revision

    async def remove(self, *keys: str) -> Revision:
        """Remove keys, and have the API see it."""
        revision = self.store.commit([Delete(key) for key in keys])
        await self.api.picture.at_least(revision)
        return revision

    async def join(self, machine: MachineID, **fields: Any) -> None:
        """An agent registers its machine."""
        known = {"hostname": "host", "public_ip": "10.0.0.1", "version": "9"} | fields
        await self.put(KEYS.machine(machine), MachineRecord(id=machine, session=SessionID("5" * 32), **known))

    async def lead(self) -> None:
        """A scheduler leads."""
        await self.put(KEYS.leader, LeaderRecord(identity="leader", since=NOON))

    async def place(self, name: str, machine: MachineID, epoch: int = 1, goal: UnitGoal | None = None) -> None:
        """The scheduler places a unit, with the goal that it has unless another is given."""
        unit = self.unit(name)
        assert unit is not None
        record = PlacementRecord(uid=self.uid(name), hash=unit.hash, goal=goal or unit.desired, epoch=Epoch(epoch))
        await self.put(KEYS.placement(machine, UnitName(name)), record)

    async def report(self, name: str, machine: MachineID, epoch: int = 1, **fields: Any) -> None:
        """An agent reports a unit, as running unless `fields` say otherwise."""
        unit = self.unit(name)
        assert unit is not None
        words = {"goal": UnitGoal.LAUNCHED, "load": "loaded", "active": "active", "sub": "running"} | fields
        record = StateRecord(uid=self.uid(name), epoch=Epoch(epoch), hash=unit.hash, **words)
        await self.put(KEYS.state(machine, UnitName(name)), record)

    async def store_file(self, options: list[dict[str, str]]) -> UnitHash:
        """Store a unit file, as another host's API would."""
        text = "".join(f"[{option['section']}]\n{option['name']}={option['value']}\n" for option in options)
        file = UnitFile.parse(text)
        await self.put(KEYS.unit_file(file.hash), UnitFileRecord(text=file.text))
        return file.hash


def faulty(inner: Registry, faults: Faults | None = None) -> FaultyRegistry:
    """A registry that goes wrong, the same way each time."""
    return FaultyRegistry(inner, random.Random(1), faults)  # noqa: S311 - no secret hangs on it


@asynccontextmanager
async def serving(
    store: MemoryStore | None = None, registry: Registry | None = None, token_limit: int = 100
) -> AsyncIterator[Cluster]:
    """An API that follows the registry for as long as the context lasts."""
    loop = asyncio.get_running_loop()
    held = store or MemoryStore(clock=loop.time)
    api = Api(registry or MemoryRegistry(held), KEYS, token_limit=token_limit, clock=loop.time, now=WallClock())
    transport = httpx.ASGITransport(api.front)
    async with asyncio.TaskGroup() as group, httpx.AsyncClient(transport=transport, base_url="http://fleet") as http:
        running = group.create_task(api.run())
        yield Cluster(held, api, http)
        running.cancel()
