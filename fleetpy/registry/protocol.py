"""What fleetpy asks of a store: ordered keys, revisions, guarded transactions, leases and watches.

The names are etcd's (v3 API). Two implementations are held to one contract by `tests/contract`: `MemoryRegistry`
and `EtcdRegistry`. Keys are text, values are bytes; both are used as given, the prefix included (see `keys`).

Every method may raise `UnavailableError` (or a subclass) when the store cannot be reached, is too slow, full, or
refuses us. A transaction that raised it may or may not have been committed: read again before deciding again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.ids import NO_LEASE, LeaseID, Revision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_OPERATIONS = 128
"""The most guards, and the most writes, of one transaction (etcd's default `--max-txn-ops`)."""

MAX_REQUEST_BYTES = 1536 * 1024
"""The most bytes of one transaction, everything counted (etcd's default `--max-request-bytes`)."""

NEWEST = Revision(0)
"""Read at the newest revision."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value, as it stands at `mod_revision`."""

    key: str
    value: bytes
    create_revision: Revision
    mod_revision: Revision
    lease: LeaseID = NO_LEASE

    def continues(self, earlier: Entry) -> bool:
        """Whether this is that key, written again or not, rather than one that was made anew and hangs on a lease.

        A store that was set back comes by the same revisions again; a lease's id never comes again.
        """
        return (self.create_revision, self.lease) == (earlier.create_revision, earlier.lease)


@dataclass(frozen=True, slots=True)
class Store:
    """Which store a page is from: one that was restored from a backup is another, even if it goes by the same name."""

    cluster: int = 0
    """etcd's cluster id; that of a restored cluster is another, if it was given a new `--initial-cluster-token`."""
    term: int = 0
    """etcd's raft term: it grows with each election, and begins anew in a cluster that was restored."""

    def follows(self, other: Store) -> bool:
        """Whether this may be what that one has become."""
        return self.cluster == other.cluster and self.term >= other.term


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in the order of their keys, all as of `revision`; `more` if others follow the last of them."""

    entries: tuple[Entry, ...]
    revision: Revision
    more: bool
    store: Store = Store()


@dataclass(frozen=True, slots=True)
class Absent:
    """Guard: the key does not exist."""

    key: str


@dataclass(frozen=True, slots=True)
class Present:
    """Guard: the key exists."""

    key: str


@dataclass(frozen=True, slots=True)
class UnchangedSince:
    """Guard: the key exists and was last written at this revision.

    A store that was set back comes by its revisions again, for other contents: then this may hold by chance.
    """

    key: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class ValueIs:
    """Guard: the key exists and has this very value."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """Write: set the key, under the lease if one is given; a lease that it had before no longer holds it."""

    key: str
    value: bytes
    lease: LeaseID = NO_LEASE


@dataclass(frozen=True, slots=True)
class Delete:
    """Write: remove the key; nothing happens if it is not there."""

    key: str


@dataclass(frozen=True, slots=True)
class LeaseTime:
    """How much time a lease has: seconds `left`, rounded down to whole ones in etcd, of those `granted`."""

    left: float
    granted: float


Guard = Absent | Present | UnchangedSince | ValueIs
Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Deleted:
    """An event: the key was removed at `revision`."""

    key: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Everything that happened up to and including `revision` since the batch before, in order.

    An `Entry` stands for a put. All events of one revision arrive in one batch. A batch without events tells that
    the watch has reached `revision` (etcd's progress notification).
    """

    revision: Revision
    events: tuple[Entry | Deleted, ...]


class GuardFailedError(LostRaceError):
    """A transaction was not committed; `failed` are the guards that did not hold."""

    def __init__(self, failed: tuple[Guard, ...], revision: Revision) -> None:
        super().__init__(f"not written, since it no longer holds that {', '.join(map(str, failed))}")
        self.failed = failed
        self.revision = revision


class LeaseGoneError(LostRaceError):
    """The lease has expired or was revoked; what hung on it is gone."""

    def __init__(self, lease: LeaseID) -> None:
        super().__init__(f"lease {lease:x} has expired")
        self.lease = lease


class CompactedError(LostRaceError):
    """The store has forgotten the revision that was asked for; read again at a newer one."""

    def __init__(self, asked: Revision, oldest: Revision | None = None) -> None:
        super().__init__(f"revision {asked} is compacted{f'; the oldest kept is {oldest}' if oldest else ''}")
        self.asked = asked
        self.oldest = oldest


class FutureRevisionError(LostRaceError):
    """The store has not come as far as the revision that was asked for: it was set back to an older state."""

    def __init__(self, asked: Revision) -> None:
        super().__init__(f"revision {asked} is not known to the store, which must have been set back; read again")
        self.asked = asked


class NotSentError(UnavailableError):
    """The store could not be reached, so nothing was asked of it: a transaction was certainly not committed."""


class RegistryFullError(UnavailableError):
    """The store is out of space (etcd's NOSPACE alarm) and takes no writes."""


class RequestTooLargeError(UnavailableError):
    """The store does not take so much at once (etcd's `--max-request-bytes`); nothing was written."""


class RegistryDeniedError(UnavailableError):
    """The store does not accept our certificate, user, password or role."""


class Watch(Protocol):
    """A running watch: an async iterator that ends only by an error.

    `CompactedError`: the store no longer has all events from `start` on. `UnavailableError`: the stream broke.
    """

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> EventBatch:
        """The next batch. Cancelling a read loses nothing: the next read goes on from there."""
        ...

    async def request_progress(self) -> bool:
        """Ask how far the watch has come, which a batch without events answers, if the store can be trusted to.

        False means that no such answer will come, and only a new read can tell.
        """
        ...

    async def aclose(self) -> None:
        """End the watch, here and at the store; a pending or later read of it raises `StopAsyncIteration`."""
        ...


class Registry(Protocol):
    """A connection to the store. Safe to share between the tasks of one event loop, not between loops."""

    async def get(self, key: str) -> Entry | None:
        """The key's newest entry (a linearizable read)."""
        ...

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """The newest entries of the keys that exist, read `MAX_OPERATIONS` at a time."""
        ...

    async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
        """At most `limit` entries whose keys start with `prefix` and are greater than `after`.

        Raises `CompactedError` if `revision` is no longer kept, and `FutureRevisionError` if it is yet to come.
        """
        ...

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        """Write all or nothing, and return the revision at which it was done.

        The revision is the store's newest one if nothing had to change (only deletes of absent keys, no writes).
        Raises `GuardFailedError` if a guard does not hold, then `LeaseGoneError` if a put names a lease that is
        gone, and `ValueError` for what `transaction.check` refuses.
        """
        ...

    def watch(self, prefix: str, *, start: Revision) -> Watch:
        """What happens to keys that start with `prefix`, from revision `start` (1 or later) on, no gaps or repeats.

        Nothing is sent before the watch is first read. `start` must be newer than what is compacted. One reader at
        a time; close it when done, for example with `contextlib.aclosing`.
        """
        ...

    async def grant_lease(self, ttl: float) -> LeaseID:
        """A new lease that expires `ttl` seconds (rounded up to whole ones) after its last renewal."""
        ...

    async def renew_lease(self, lease: LeaseID) -> float:
        """Renew, and return the seconds that the lease has now; raises `LeaseGoneError`."""
        ...

    async def lease_time(self, lease: LeaseID) -> LeaseTime | None:
        """How long the lease lasts unless it is renewed; None if it is gone."""
        ...

    async def revoke_lease(self, lease: LeaseID) -> None:
        """End the lease and remove what hangs on it, at once; nothing happens if it is already gone."""
        ...

    async def close(self) -> None:
        """Let go of the connection; every watch ends with `UnavailableError`."""
        ...
