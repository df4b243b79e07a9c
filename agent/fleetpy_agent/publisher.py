"""Unit states into the registry: only those that are different, many to a transaction, under the machine's lease.

What the registry has is known from one reading and from what was committed since. A transaction whose answer never
came may or may not have been carried out: its keys are then unknown, and written again behind a new fence.

A state keeps its unit on this machine: as long as it is there, the scheduler gives the unit to nobody else. So the
first word on a unit of which nothing is here yet is written only if its placement still stands as it was read. Else a
slow agent would announce, and start, what was taken from it meanwhile and given to another machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.model.records import StateRecord
from fleetpy.registry.backoff import Backoff
from fleetpy.registry.protocol import MAX_OPERATIONS, Delete, GuardFailedError, Put
from fleetpy_agent import damper
from fleetpy_agent.damper import Damper

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from fleetpy.ids import UnitName
    from fleetpy.registry.protocol import Entry, Guard, Write
    from fleetpy_agent.home import Home
    from fleetpy_agent.session import Session

_log = logging.getLogger(__name__)

APART = 0.05
"""Seconds between two transactions: what changes meanwhile goes into the next one."""

ROOM_FOR_FENCE = 1
"""Guards of a transaction that are not on placements."""


class Statement(NamedTuple):
    """A state to be written."""

    state: StateRecord
    premise: Guard | None
    """What must hold for it to be written, beside the machine's registration."""


class Publisher:
    """The states of one machine; `compose` says what they are now, `premise` what one of them depends on.

    `unsettled` are units that will have another state in a moment, to be told instead of the one of now.
    """

    def __init__(
        self,
        home: Home,
        session: Session,
        compose: Callable[[], Mapping[UnitName, StateRecord]],
        premise: Callable[[UnitName], Guard | None],
        unsettled: Callable[[], Collection[UnitName]],
    ) -> None:
        self._home = home
        self._session = session
        self._compose = compose
        self._premise = premise
        self._unsettled = unsettled
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

    def keeps(self, name: UnitName) -> bool:
        """Whether the registry is known to have a state of the unit that keeps it here; a refusal does not."""
        state = self._published.get(self._home.state(name))
        return state is not None and state.refused is None

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
                # As soon as it is sent nobody may rely on them any more, though no answer has come.
                self._published.update(dict.fromkeys(keys))
                await self._commit([Delete(key) for key in keys], dict.fromkeys(keys))
                for key in keys:
                    del self._published[key]
                    self._damper.forget(key)
            for keys in _chunks(puts):
                await self._state({key: puts[key] for key in keys})

    async def ensure(self, names: Collection[UnitName]) -> frozenset[UnitName]:
        """See to it that the registry has states that keep these units here; those of them that are kept now.

        The others' placements have changed, or the machine is not registered any more. Raises `UnavailableError`.
        """
        if not all(self.keeps(name) for name in names):
            try:
                await self.flush()
            except LostRaceError as error:
                self._session.lose(error)
        # Of a machine that is not registered the scheduler disregards every state.
        return frozenset(name for name in names if self.ready and self.keeps(name))

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
                if isinstance(error, LostRaceError):
                    self._session.lose(error)
                self._changed.set()
                await backoff.wait()
            else:
                backoff.reset()
                await asyncio.sleep(APART)

    def _read(self, entry: Entry) -> StateRecord | None:
        # What hangs on another lease than ours will go with that one, so it is as good as unknown.
        if entry.lease != self._session.lease:
            return None
        try:
            return StateRecord.decode(entry.value)
        except ValueError:
            return None

    def _differences(self) -> tuple[list[str], dict[str, Statement]]:
        """The keys to delete, and what to put."""
        states = {self._home.state(name): (name, state) for name, state in self._compose().items()}
        deletes, puts = sorted(self._published.keys() - states.keys()), {}
        unsettled = self._unsettled()
        for key, (name, state) in sorted(states.items(), key=itemgetter(0)):
            before = self._published.get(key)
            if state is before or state == before:
                continue
            if before is None or (name not in unsettled and self._damper.may_pass(key, state)):
                self._damper.passed(key, state)
                puts[key] = Statement(state, self._premise(name))
            else:
                self._held_back = True
        return deletes, puts

    async def _state(self, statements: dict[str, Statement]) -> None:
        """Write states; those whose premise does not hold are left out: whoever made them is about to look again."""
        while statements:
            try:
                await self._commit(
                    [Put(key, said.state.encode(), self._session.lease) for key, said in statements.items()],
                    {key: said.state for key, said in statements.items()},
                    [said.premise for said in statements.values() if said.premise is not None],
                )
            except GuardFailedError as error:
                holding = {key: said for key, said in statements.items() if said.premise not in error.failed}
                if len(holding) == len(statements):
                    raise
                statements = holding
            else:
                return

    async def _commit(
        self, writes: Iterable[Write], states: Mapping[str, StateRecord | None], premises: Iterable[Guard] = ()
    ) -> None:
        """Write; `states` is what the registry has then."""
        try:
            await self._home.registry.commit(tuple(writes), guards=[self._session.guard, *premises])
        except LostRaceError:
            raise
        except (UnavailableError, asyncio.CancelledError):
            self._unanswered = True
            self._published.update(dict.fromkeys(states))
            raise
        self._published.update(states)


def _chunks(keys: Iterable[str]) -> Iterator[tuple[str, ...]]:
    waiting = iter(keys)
    while some := tuple(islice(waiting, MAX_OPERATIONS - ROOM_FOR_FENCE)):
        yield some
