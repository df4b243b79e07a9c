"""A store that was restored from a backup of another, as `etcdctl snapshot save` and `restore` make one."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from fleetpy.registry.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.registry.protocol import Store

_CONTENT = ("_revision", "_compacted", "_keys", "_versions", "_log", "_leases", "_deadlines")


def backup(store: MemoryStore, clock: Callable[[], float]) -> MemoryStore:
    """The store as it is now: its keys and leases, with their revisions; nobody watches it."""
    copy = MemoryStore(clock)
    for name in (*_CONTENT, "_granted"):
        setattr(copy, name, deepcopy(getattr(store, name)))
    return copy


def restore(store: MemoryStore, saved: MemoryStore, calls_itself: Store) -> None:
    """Make the store what was saved, as one that `calls_itself` so; nobody watches it any more.

    Leases that were granted since are gone, and no new one has the id of one of them: etcd draws those by chance.
    """
    for name in _CONTENT:
        setattr(store, name, deepcopy(getattr(saved, name)))
    store.store = calls_itself
    store._subscriptions.clear()
    renewed(store)


def renewed(store: MemoryStore) -> MemoryStore:
    """With every lease at its full length again, as etcd has it when a restored cluster elects its leader."""
    for lease in store.leases:
        store.renew(lease)
    return store
