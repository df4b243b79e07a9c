"""What happens in the registry, and when: a watch of all keys that notes the time of each change."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

from fleetpy.errors import UnavailableError
from fleetpy.ids import MachineID, Revision, UnitName
from fleetpy.model.records import StateRecord
from fleetpy.registry.etcd import EtcdRegistry, EtcdSettings, connect
from fleetpy.registry.keys import Keys, split_machine_and_unit
from fleetpy.registry.protocol import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from fleetpy_lab.host import Host

KEYS = Keys()
_BEGINNING = 10.0
_AGAIN = 0.1


@dataclass(frozen=True, slots=True)
class Change:
    """A key was written, or removed (`value` is None); `at` is in seconds since the epoch."""

    at: float
    key: str
    value: bytes | None


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The loop of every timeline, in a thread of its own: gRPC does not outlive the first loop that it is used in."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="timeline", daemon=True).start()
    return loop


class Timeline:
    """A context manager that watches for as long as the context lasts.

    Values are kept as they came, to be read afterwards: what measures should not get in the way.
    """

    def __init__(self, members: Sequence[Host]) -> None:
        self._settings = EtcdSettings(tuple(f"http://{host.address}:2379" for host in members))
        self._changes: list[Change] = []
        self._watching = threading.Event()
        self._run: Future[None] | None = None

    def __enter__(self) -> Self:
        self._run = asyncio.run_coroutine_threadsafe(self._watch(), _loop())
        if not self._watching.wait(_BEGINNING):
            raise UnavailableError("etcd of the lab does not answer")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._run is not None:
            self._run.cancel()

    def changes(self) -> list[Change]:
        """All that has happened so far, in order."""
        return list(self._changes)

    async def _watch(self) -> None:
        registry = connect(self._settings)
        try:
            await self._follow(registry)
        finally:
            await registry.close()

    async def _follow(self, registry: EtcdRegistry) -> None:
        page = await registry.page(KEYS.prefix, limit=1)
        at = page.revision
        while True:
            try:
                async with aclosing(registry.watch(KEYS.prefix, start=Revision(at + 1))) as watch:
                    self._watching.set()
                    async for batch in watch:
                        now = time.time()
                        at = batch.revision
                        self._changes += (
                            Change(now, event.key, event.value if isinstance(event, Entry) else None)
                            for event in batch.events
                        )
            except UnavailableError:
                await asyncio.sleep(_AGAIN)


def submitted(changes: Sequence[Change]) -> list[float]:
    """When units were written."""
    return [change.at for change in changes if change.key.startswith(KEYS.units) and change.value is not None]


def placed(changes: Sequence[Change]) -> list[float]:
    """When units were given to machines."""
    return [change.at for change in changes if change.key.startswith(KEYS.placements) and change.value is not None]


def lost(changes: Sequence[Change], machine: str) -> float:
    """When the machine's registration went; raises `LookupError` if it is still there."""
    key = KEYS.machine(MachineID(machine))
    for change in changes:
        if change.key == key and change.value is None:
            return change.at
    raise LookupError(f"machine {machine} has never gone")


@dataclass(frozen=True, slots=True)
class Running:
    """A unit runs on a machine: told to the cluster at `at`, true since `since` (seconds since the epoch)."""

    machine: MachineID
    name: UnitName
    at: float
    since: float


def running(changes: Sequence[Change]) -> Iterator[Running]:
    """When agents first told of each unit that it runs."""
    seen: set[str] = set()
    for change in changes:
        if not change.key.startswith(KEYS.states) or change.key in seen or change.value is None:
            continue
        record = StateRecord.decode(change.value)
        pair = split_machine_and_unit(change.key.removeprefix(KEYS.states))
        if record.active == "active" and pair is not None:
            seen.add(change.key)
            yield Running(*pair, change.at, record.since.timestamp() if record.since else change.at)
