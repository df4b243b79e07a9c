"""The machine's registration: its key in the registry, which hangs on the agent's lease.

A registration outlives the agent: the next one finds it in `session.json` and takes it over. It ends with its lease:
when that expires, or when the host shuts down and revokes it.

The key is created, never overwritten, unless it is of this very session: a machine whose id another live machine has
(a cloned /etc/machine-id) is refused and runs nothing.

Everything that the agent writes is guarded by the revision at which the machine's key was last written. When the
answer to a write never came, the key is written again: from then on that write can no longer be committed, however
late it arrives (docs/adr/0004-fencing.md).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from fleetpy.errors import LostRaceError
from fleetpy.ids import NO_LEASE, LeaseID, MachineID, Revision, SessionID
from fleetpy.model.records import MachineRecord, Record
from fleetpy.registry.protocol import Absent, Entry, Put, UnchangedSince
from fleetpy_agent.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.registry.lease import LeaseHolder
    from fleetpy.registry.protocol import Guard
    from fleetpy_agent.files import HostFiles
    from fleetpy_agent.home import Home

_log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds between two looks at a key that another machine holds."""


class SavedSession(Record, frozen=True, kw_only=True):
    """`session.json`."""

    machine: MachineID
    session: SessionID
    lease: LeaseID


class RefusedError(LostRaceError):
    """Another live machine has this machine's id."""


class Session:
    """This machine's registration; `describe` makes the machine's record for a session id."""

    def __init__(
        self, home: Home, files: HostFiles, holder: LeaseHolder, describe: Callable[[SessionID], MachineRecord]
    ) -> None:
        self._registry = home.registry
        self._machine = home.machine
        self._key = home.key
        self._files = files
        self._holder = holder
        self._describe = describe
        self._promise = Promise(files.write_deadline)
        holder.listeners.append(self._promise.renewed)
        self._id = SessionID("")
        self._lease = NO_LEASE
        self._seen: Entry | None = None
        self._written: Revision | None = None
        self._lost = asyncio.Event()

    @property
    def lease(self) -> LeaseID:
        """What the agent's keys hang on."""
        return self._lease

    @property
    def registered(self) -> bool:
        """Whether, for all we know, the cluster counts on this machine."""
        return self._written is not None

    @property
    def certain(self) -> bool:
        """Whether the cluster surely counts on this machine: the lease that holds its registration runs on."""
        status = self._holder.status
        return self.registered and status.lease == self._lease and self._holder.now() < status.deadline

    @property
    def guard(self) -> Guard:
        """What each write of the agent must carry: the key is ours, or, before it is, nobody else's."""
        if self._written is not None:
            return UnchangedSince(self._key, self._written)
        return Absent(self._key) if self._seen is None else UnchangedSince(self._key, self._seen.mod_revision)

    @property
    def continues(self) -> bool:
        """Whether what `prepare` found is our own registration, which still holds: an earlier agent's."""
        return self._seen is not None and self._seen.lease == self._lease

    async def prepare(self, patience: float) -> Revision:
        """Have a lease, once no other machine has our key; the revision at which nobody had.

        For `patience` seconds another session's key may be our own from before the host was booted, and is waited for
        quietly. After that it is another machine's. Raises `UnavailableError`.
        """
        self._written = None
        self._promise.withhold()
        saved = self._saved()
        self._id = saved.session if saved is not None else self._id or SessionID(secrets.token_hex(16))
        held = saved is not None and await self._holder.adopt(saved.lease)
        revision = await self._await_key(patience)
        if saved is not None and held:
            self._lease = saved.lease
        else:
            self._lease = await self._holder.grant()
            new = SavedSession(machine=self._machine, session=self._id, lease=self._lease)
            self._files.write_session(new.encode())
        self._lost.clear()
        return revision

    async def complete(self) -> None:
        """Put the machine's key: the cluster counts on this machine from then on. Raises what `commit` raises."""
        await self._write(self.guard)
        self._promise.give(self._lease)
        _log.info("%s machine %s", "took over the registration of" if self.continues else "registered", self._machine)

    async def fence(self) -> None:
        """Void every write that is still under way; raises `LostRaceError` if the registration is no longer ours."""
        entry = await self._registry.get(self._key)
        if entry is None or not self._is_ours(entry):
            raise RefusedError(f"the registration of machine {self._machine} is gone")
        await self._write(UnchangedSince(self._key, entry.mod_revision))

    def lose(self, reason: object) -> None:
        """The registration does not hold any more."""
        if self._written is not None:
            _log.warning("this machine is no longer registered (%s)", reason)
        self._written = None
        self._promise.withhold()
        self._lost.set()

    async def lost(self) -> None:
        """Wait until the registration does not hold any more."""
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(self._holder.lost())
            told = group.create_task(self._lost.wait())
            await asyncio.wait([beat, told], return_when=asyncio.FIRST_COMPLETED)
            if beat.done():
                self.lose("its lease has expired")
            beat.cancel()
            told.cancel()

    async def leave(self) -> None:
        """End the registration at once. Raises `UnavailableError`."""
        self._written = None
        await self._holder.revoke()

    async def _await_key(self, patience: float) -> Revision:
        """Wait until the machine's key is ours or nobody's."""
        loop = asyncio.get_running_loop()
        began, told = loop.time(), False
        while True:
            page = await self._registry.page(self._key, limit=1)
            self._seen = page.entries[0] if page.entries else None
            if self._seen is None or self._is_ours(self._seen):
                return page.revision
            if not told and loop.time() - began > patience:
                told = True
                _log.error(
                    "machine id %s belongs to another live machine (%s): was /etc/machine-id cloned? This host runs"
                    " nothing until it has an id of its own (systemd-machine-id-setup) or the other is gone",
                    self._machine,
                    _hostname(self._seen),
                )
            await asyncio.sleep(RETRY)

    async def _write(self, guard: Guard) -> None:
        put = Put(self._key, self._describe(self._id).encode(), self._lease)
        self._written = await self._registry.commit([put], guards=[guard])

    def _saved(self) -> SavedSession | None:
        content = self._files.read_session()
        if content is None:
            return None
        try:
            saved = SavedSession.decode(content)
        except ValueError as error:
            _log.warning("session.json cannot be read, so this machine registers anew: %s", error)
            return None
        return saved if saved.machine == self._machine else None

    def _is_ours(self, entry: Entry) -> bool:
        try:
            return MachineRecord.decode(entry.value).session == self._id
        except ValueError:
            return False


def _hostname(entry: Entry) -> str:
    try:
        return MachineRecord.decode(entry.value).hostname
    except ValueError:
        return "whose record cannot be read"
