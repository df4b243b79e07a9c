"""A store that was restored from a backup of another, as `etcdctl snapshot save` and `restore` make one."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from fleetpy.registry.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable


def backup(store: MemoryStore, clock: Callable[[], float]) -> MemoryStore:
    """The store as it is now: its keys and leases, with their revisions; nobody watches it."""
    copy = MemoryStore(clock)
    for name in ("_revision", "_compacted", "_keys", "_versions", "_log", "_leases", "_deadlines", "_granted"):
        setattr(copy, name, deepcopy(getattr(store, name)))
    return copy


def renewed(store: MemoryStore) -> MemoryStore:
    """With every lease at its full length again, as etcd has it when a restored cluster elects its leader."""
    for lease in store.leases:
        store.renew(lease)
    return store
