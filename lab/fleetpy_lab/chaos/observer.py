"""What stands in the registry meanwhile: watched from outside, each change with its time."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.keys import Keys
from fleetpy.registry.protocol import Entry  # noqa: TC001 - the type of a view
from fleetpy.registry.view import Changes, View
from fleetpy_lab.chaos.clock import boot_time
from fleetpy_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from fleetpy_lab.host import Host

KEYS = Keys()
_BEGINNING = 30.0


@dataclass(frozen=True, slots=True)
class Change:
    """A key was written, or removed (`entry` is None); `at` is in seconds of CLOCK_BOOTTIME."""

    at: float
    key: str
    entry: Entry | None


class Observer:
    """A context manager that watches for as long as the context lasts, from a thread of its own."""

    def __init__(self, members: Sequence[Host]) -> None:
        self._settings = EtcdSettings(tuple(f"http://{host.address}:2379" for host in members))
        self._changes: list[Change] = []
        self._entries: Mapping[str, Entry] = {}
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="observer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        if not self._ready.wait(_BEGINNING):
            raise LabError("etcd of the lab does not answer")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._run.cancel()
        while not self._run.done():
            time.sleep(0.01)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def changes(self) -> list[Change]:
        """All that has happened so far, in order."""
        return list(self._changes)

    def entries(self) -> dict[str, Entry]:
        """What stands there now, by key."""
        return dict(self._entries)

    async def _watch(self) -> None:
        registry = connect(self._settings)
        view: View[Entry] = View(registry, KEYS.prefix, lambda entry: entry)
        view.subscribe(self._note)
        try:
            await view.run()
        finally:
            await registry.close()

    def _note(self, changes: Changes[Entry]) -> None:
        now = boot_time()
        self._changes += (Change(now, key, entry) for key, entry in changes.changed.items())
        self._changes += (Change(now, key, None) for key in changes.removed)
        self._entries = {key: entry for key, entry in self._entries.items() if key not in changes.removed} | dict(
            changes.changed
        )
        self._ready.set()
