"""Unit states into the registry: only those that are different, many to a transaction, under the machine's lease.

What the registry has is known from one reading and from what was committed since. A transaction whose answer never
came may or may not have been carried out: its keys are then unknown, and written again behind a new fence.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, NoReturn

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.model.records import StateRecord
from fleetpy.registry.backoff import Backoff
from fleetpy.registry.protocol import MAX_OPERATIONS, Delete, Put
from fleetpy_agent import damper
from fleetpy_agent.damper import Damper

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from fleetpy.ids import UnitName
    from fleetpy.registry.protocol import Entry, Write
    from fleetpy_agent.home import Home
    from fleetpy_agent.session import Session

_log = logging.getLogger(__name__)

APART = 0.05
"""Seconds between two transactions: what changes meanwhile goes into the next one."""


class Publisher:
    """The states of one machine; `compose` says what they are now."""

    def __init__(self, home: Home, session: Session, compose: Callable[[], Mapping[UnitName, StateRecord]]) -> None:
        self._home = home
        self._session = session
        self._compose = compose
        self._damper = Damper(asyncio.get_running_loop().time)
        self._published: dict[str, StateRecord | None] = {}
        """What the registry has; None for a key that may have one or another value, or none."""
        self._held_back = False
        self._ready = False
        self._unanswered = False
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether it publishes: the machine is registered, and what the registry has is known."""
        return self._ready and self._session.registered

    def start(self) -> None:
        """Publish from now on."""
        self._ready = True
        self._changed.set()

    def stop(self) -> None:
        """Publish no more until `start`."""
        self._ready = False

    def changed(self) -> None:
        """Something may be different: publish it soon."""
        self._changed.set()

    def has(self, name: UnitName) -> bool:
        """Whether the registry is known to have a state of the unit."""
        return self._published.get(self._home.state(name)) is not None

    async def recover(self) -> None:
        """Read what the registry has, as left by an earlier agent. Raises `UnavailableError`."""
        async with self._writing:
            found: dict[str, StateRecord | None] = {}
            prefix, after, more = self._home.states, "", True
            while more:
                page = await self._home.registry.page(prefix, after=after)
                found.update((entry.key, self._read(entry)) for entry in page.entries)
                more, after = page.more, page.entries[-1].key if page.entries else ""
            self._published = found

    async def flush(self) -> None:
        """Make the registry's states those of now. Raises `UnavailableError` and `LostRaceError`."""
        async with self._writing:
            if self._unanswered and self._session.registered:
                await self._session.fence()
                self._unanswered = False
            deletes, puts = self._differences()
            # Deletes first, so that what was let go of is known to be as soon as can be.
            for keys in _chunks(deletes):
                await self._commit([Delete(key) for key in keys], dict.fromkeys(keys))
                for key in keys:
                    del self._published[key]
                    self._damper.forget(key)
            for keys in _chunks(puts):
                states = {key: puts[key] for key in keys}
                await self._commit(
                    [Put(key, state.encode(), self._session.lease) for key, state in states.items()], states
                )

    async def ensure(self, names: Collection[UnitName]) -> bool:
        """See to it that the registry has a state of each of these units; whether it has."""
        if not all(self.has(name) for name in names):
            try:
                await self.flush()
            except (UnavailableError, LostRaceError) as error:
                self._failed(error)
        return all(self.has(name) for name in names)

    async def run(self) -> NoReturn:
        """Publish what changes, while the machine is registered."""
        backoff = Backoff()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(damper.APART if self._held_back else None):
                    await self._changed.wait()
            self._changed.clear()
            self._held_back = False
            if not self.ready:
                continue
            try:
                await self.flush()
            except (UnavailableError, LostRaceError) as error:
                _log.log(
                    logging.DEBUG if backoff.failures else logging.WARNING, "unit states are not published: %s", error
                )
                self._failed(error)
                self._changed.set()
                await backoff.wait()
            else:
                backoff.reset()
                await asyncio.sleep(APART)

    def _failed(self, error: UnavailableError | LostRaceError) -> None:
        if isinstance(error, LostRaceError):
            self._session.lose(error)

    def _read(self, entry: Entry) -> StateRecord | None:
        # What hangs on another lease than ours will go with that one, so it is as good as unknown.
        if entry.lease != self._session.lease:
            return None
        try:
            return StateRecord.decode(entry.value)
        except ValueError:
            return None

    def _differences(self) -> tuple[list[str], dict[str, StateRecord]]:
        """The keys to delete, and what to put."""
        states = {self._home.state(name): state for name, state in self._compose().items()}
        deletes, puts = sorted(self._published.keys() - states.keys()), {}
        for key, state in sorted(states.items(), key=itemgetter(0)):
            before = self._published.get(key)
            if state is before or state == before:
                continue
            if before is None or self._damper.may_pass(key, state):
                self._damper.passed(key, state)
                puts[key] = state
            else:
                self._held_back = True
        return deletes, puts

    async def _commit(self, writes: Sequence[Write], states: Mapping[str, StateRecord | None]) -> None:
        """Write; `states` is what the registry has then."""
        try:
            await self._home.registry.commit(writes, guards=[self._session.guard])
        except LostRaceError:
            raise
        except (UnavailableError, asyncio.CancelledError):
            self._unanswered = True
            self._published.update(dict.fromkeys(states))
            raise
        self._published.update(states)


def _chunks(keys: Iterable[str]) -> Iterator[tuple[str, ...]]:
    waiting = iter(keys)
    while some := tuple(islice(waiting, MAX_OPERATIONS)):
        yield some
