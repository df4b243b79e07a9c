"""An etcd in miniature: every version of every key, leases by an injected clock, subscriptions.

It is the store behind `MemoryRegistry`; several of those share one, as several clients share an etcd. Every method
is synchronous, atomic, and may be called from any thread.

Leases expire when somebody looks (`expire`), never before their time: `MemoryRegistry` looks before each request,
and its watches look when the next lease is due.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from fleetpy.ids import NO_LEASE, LeaseID, Revision
from fleetpy.registry import transaction
from fleetpy.registry.protocol import (
    MAX_REQUEST_BYTES,
    NEWEST,
    CompactedError,
    Delete,
    Deleted,
    Entry,
    EventBatch,
    FutureRevisionError,
    GuardFailedError,
    LeaseGoneError,
    LeaseTime,
    Page,
    Put,
    RequestTooLargeError,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fleetpy.registry.protocol import Guard, Write

P = ParamSpec("P")
R = TypeVar("R")
Event = Entry | Deleted


def _revision_of(event: Event) -> Revision:
    return event.mod_revision if isinstance(event, Entry) else event.revision


def _atomic(method: Callable[Concatenate[MemoryStore, P], R]) -> Callable[Concatenate[MemoryStore, P], R]:
    """Hold the store's lock for the whole of a method."""

    @wraps(method)
    def locked(self: MemoryStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


@dataclass(slots=True)
class _Lease:
    ttl: float
    deadline: float
    keys: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Subscription:
    """Events of one prefix that one watch has not taken yet; `wake` is called when there may be something to do."""

    prefix: str
    start: Revision
    wake: Callable[[], None]
    pending: deque[EventBatch] = field(default_factory=deque)


class MemoryStore:
    """The store; `clock` gives seconds that never go back (`loop.time` where time is virtual).

    `max_request_bytes`: what one transaction may have, as etcd's option of that name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_request_bytes: int = MAX_REQUEST_BYTES) -> None:
        self._max_request_bytes = max_request_bytes
        self.store = Store()
        """What pages say that they are from."""
        self._clock = clock
        self._lock = threading.RLock()
        self._revision = Revision(1)
        self._compacted = Revision(0)
        self._keys: list[str] = []
        self._versions: dict[str, list[Event]] = {}
        self._log: deque[EventBatch] = deque()
        self._leases: dict[LeaseID, _Lease] = {}
        self._deadlines: list[tuple[float, LeaseID]] = []
        self._granted = 0
        # In the order in which they began, so that they are always woken in the same one.
        self._subscriptions: dict[str, dict[Subscription, None]] = defaultdict(dict)

    @property
    def revision(self) -> Revision:
        """The newest revision; an empty store is at 1, as etcd is."""
        return self._revision

    def now(self) -> float:
        """Seconds, by the store's clock."""
        return self._clock()

    @property
    def leases(self) -> frozenset[LeaseID]:
        """The leases that nobody has seen expire."""
        return frozenset(self._leases)

    @_atomic
    def read(self, prefix: str, *, after: str = "", limit: int = 0, revision: Revision = NEWEST) -> Page:
        """A page, as `Registry.page` has it; a limit of 0 is none."""
        at = revision or self._revision
        if at > self._revision:
            raise FutureRevisionError(at)
        if at < self._compacted:
            raise CompactedError(at, self._compacted)
        index = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after))
        found: list[Entry] = []
        while index < len(self._keys) and self._keys[index].startswith(prefix):
            entry = self._entry(self._keys[index], at)
            if entry is not None:
                if limit and len(found) == limit:
                    return Page(tuple(found), at, more=True, store=self.store)
                found.append(entry)
            index += 1
        return Page(tuple(found), at, more=False, store=self.store)

    @_atomic
    def get(self, key: str) -> Entry | None:
        """The key's newest entry."""
        return self._entry(key, self._revision)

    @_atomic
    def commit(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> Revision:
        """Write, as `Registry.commit` has it."""
        transaction.check(writes, guards)
        failed = tuple(guard for guard in guards if not transaction.holds(guard, self.get(guard.key)))
        if failed:
            raise GuardFailedError(failed, self._revision)
        if (
            sum(len(write.key) + len(write.value) for write in writes if isinstance(write, Put))
            > self._max_request_bytes
        ):
            raise RequestTooLargeError(f"more than {self._max_request_bytes} bytes at once")
        for write in writes:
            if isinstance(write, Put) and write.lease != NO_LEASE and write.lease not in self._leases:
                raise LeaseGoneError(write.lease)
        return self._apply(writes)

    @_atomic
    def grant(self, ttl: float) -> LeaseID:
        """A new lease of whole seconds."""
        self._granted += 1
        lease = LeaseID(self._granted)
        whole = float(max(1, math.ceil(ttl)))
        earliest = self.next_expiry()
        self._leases[lease] = _Lease(whole, self._clock() + whole)
        heapq.heappush(self._deadlines, (self._leases[lease].deadline, lease))
        if earliest is None or self._leases[lease].deadline < earliest:
            self._wake(subscription for group in self._subscriptions.values() for subscription in group)
        return lease

    @_atomic
    def renew(self, lease: LeaseID) -> float:
        """Renew, and return the seconds left; raises `LeaseGoneError`."""
        if lease not in self._leases:
            raise LeaseGoneError(lease)
        held = self._leases[lease]
        held.deadline = self._clock() + held.ttl
        return held.ttl

    @_atomic
    def time_of(self, lease: LeaseID) -> LeaseTime | None:
        """How much time a lease has; None if it is gone."""
        held = self._leases.get(lease)
        return LeaseTime(max(0.0, held.deadline - self._clock()), held.ttl) if held is not None else None

    @_atomic
    def revoke(self, lease: LeaseID) -> None:
        """End a lease, and remove its keys in one revision."""
        held = self._leases.pop(lease, None)
        if held is not None:
            self._apply([Delete(key) for key in sorted(held.keys)])

    @_atomic
    def expire(self) -> None:
        """Revoke every lease whose time has passed."""
        while (due := self.next_expiry()) is not None and due <= self._clock():
            self.revoke(self._deadlines[0][1])

    @_atomic
    def next_expiry(self) -> float | None:
        """When the next lease runs out unless it is renewed, by the store's clock."""
        while self._deadlines:
            deadline, lease = self._deadlines[0]
            held = self._leases.get(lease)
            if held is not None and held.deadline == deadline:
                return deadline
            heapq.heappop(self._deadlines)
            if held is not None:
                heapq.heappush(self._deadlines, (held.deadline, lease))
        return None

    @_atomic
    def compact(self, revision: Revision) -> None:
        """Forget what was overwritten or removed before `revision`, as `etcdctl compact` does."""
        if revision > self._revision:
            raise FutureRevisionError(revision)
        self._compacted = max(self._compacted, revision)
        while self._log and self._log[0].revision <= revision:
            self._log.popleft()
        for key, versions in list(self._versions.items()):
            kept = max(0, bisect_right(versions, revision, key=_revision_of) - 1)
            if isinstance(versions[kept], Deleted) and _revision_of(versions[kept]) <= revision:
                kept += 1
            del versions[:kept]
            if not versions:
                del self._versions[key]
                del self._keys[bisect_left(self._keys, key)]

    @_atomic
    def subscribe(self, prefix: str, start: Revision, wake: Callable[[], None]) -> Subscription:
        """Begin to collect what happens from `start` on; raises `CompactedError`."""
        if start <= self._compacted:
            raise CompactedError(start, self._compacted)
        subscription = Subscription(prefix, start, wake)
        for batch in self._log:
            if batch.revision >= start:
                events = tuple(event for event in batch.events if event.key.startswith(prefix))
                if events:
                    subscription.pending.append(EventBatch(batch.revision, events))
        self._subscriptions[prefix][subscription] = None
        return subscription

    @_atomic
    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop collecting."""
        group = self._subscriptions.get(subscription.prefix, {})
        group.pop(subscription, None)
        if not group:
            self._subscriptions.pop(subscription.prefix, None)

    @_atomic
    def take(self, subscription: Subscription) -> EventBatch | None:
        """All that was collected and not yet taken, in one batch; None if there is nothing."""
        if not subscription.pending:
            return None
        batches, subscription.pending = subscription.pending, deque()
        return EventBatch(batches[-1].revision, tuple(event for batch in batches for event in batch.events))

    @_atomic
    def tell_progress(self, subscription: Subscription) -> None:
        """Have the next batch taken say how far the store has come."""
        if subscription.start <= self._revision:
            subscription.pending.append(EventBatch(self._revision, ()))
            subscription.wake()

    def _entry(self, key: str, revision: Revision) -> Entry | None:
        versions = self._versions.get(key, [])
        index = bisect_right(versions, revision, key=_revision_of)
        event = versions[index - 1] if index else None
        return event if isinstance(event, Entry) else None

    def _apply(self, writes: Iterable[Write]) -> Revision:
        revision = Revision(self._revision + 1)
        events: list[Event] = []
        for write in writes:
            before = self._entry(write.key, self._revision)
            if isinstance(write, Put):
                created = revision if before is None else before.create_revision
                events.append(Entry(write.key, write.value, created, revision, write.lease))
            elif before is not None:
                events.append(Deleted(write.key, revision))
            if before is not None and before.lease in self._leases:
                self._leases[before.lease].keys.discard(write.key)
            if isinstance(write, Put) and write.lease != NO_LEASE:
                self._leases[write.lease].keys.add(write.key)
        if not events:
            return self._revision
        for event in events:
            if event.key not in self._versions:
                insort(self._keys, event.key)
            self._versions.setdefault(event.key, []).append(event)
        self._revision = revision
        self._log.append(EventBatch(revision, tuple(events)))
        self._publish(revision, events)
        return revision

    def _publish(self, revision: Revision, events: list[Event]) -> None:
        lengths = {len(prefix) for prefix in self._subscriptions}
        matching: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            for length in lengths:
                prefix = event.key[:length]
                if len(prefix) == length and prefix in self._subscriptions:
                    matching[prefix].append(event)
        for prefix, seen in matching.items():
            reached = [sub for sub in self._subscriptions[prefix] if revision >= sub.start]
            for subscription in reached:
                subscription.pending.append(EventBatch(revision, tuple(seen)))
            self._wake(reached)

    def _wake(self, subscriptions: Iterable[Subscription]) -> None:
        for subscription in list(subscriptions):
            subscription.wake()
