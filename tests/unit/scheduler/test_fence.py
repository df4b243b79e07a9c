"""The fence of one term: what becomes of it when the leader key changes while it is being renewed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fleetpy.model.records import LeaderRecord
from fleetpy.registry.election import new_value
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, GuardFailedError, Put
from fleetpy_scheduler.fence import DeposedError, Fence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Guard, Write

KEY = "/leader"
US = LeaderRecord(identity="us", since=datetime(2026, 1, 1, tzinfo=UTC))


class BusyRegistry(MemoryRegistry):
    """Has something done by others before the next transaction arrives."""

    meanwhile: Callable[[], object] | None = None

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return await super().commit(writes, guards=guards)


def led() -> tuple[MemoryStore, BusyRegistry, Fence]:
    store = MemoryStore()
    return store, *begun(store)


def begun(store: MemoryStore) -> tuple[BusyRegistry, Fence]:
    """A term that begins in a store where nobody leads."""
    store.commit([Put(KEY, new_value(US), store.grant(10))])
    leader = store.get(KEY)
    assert leader is not None
    registry = BusyRegistry(store)
    return registry, Fence(registry, leader)


def succeed(store: MemoryStore) -> None:
    store.commit([Delete(KEY)])
    store.commit([Put(KEY, b"another")])


async def test_a_renewal_moves_the_guard() -> None:
    store, registry, fence = led()
    before = fence.guard
    revision = await fence.renew()
    assert revision == store.revision
    assert fence.guard != before
    await registry.commit([Put("/x", b"")], guards=[fence.guard])


@pytest.mark.parametrize("late", [False, True])
async def test_a_scheduler_that_was_succeeded_is_deposed_even_in_the_midst_of_a_renewal(*, late: bool) -> None:
    store, registry, fence = led()
    if late:
        registry.meanwhile = lambda: succeed(store)
    else:
        succeed(store)
    with pytest.raises(DeposedError):
        await fence.renew()
    leader = store.get(KEY)
    assert leader is not None
    assert leader.value == b"another"


async def test_an_earlier_renewal_that_arrives_late_does_not_depose() -> None:
    store, registry, fence = led()
    present = store.get(KEY)
    assert present is not None
    registry.meanwhile = lambda: store.commit([Put(KEY, new_value(US), present.lease)])
    await fence.renew()
    await registry.commit([Put("/x", b"")], guards=[fence.guard])


async def test_what_one_fence_lets_through_no_later_one_of_the_term_does() -> None:
    _, registry, fence = led()
    guards = [fence.guard]
    for _ in range(3):
        await fence.renew()
        guards.append(fence.guard)
    for guard in guards[:-1]:
        with pytest.raises(GuardFailedError):
            await registry.commit([Put("/x", b"")], guards=[guard])
    await registry.commit([Put("/x", b"")], guards=[guards[-1]])


async def test_in_a_store_that_comes_by_the_same_revisions_again_the_fence_of_before_does_not_hold() -> None:
    """As etcd does when it comes back empty: the next leader's key may have any revision that the last one's had."""
    store, _, before = led()
    empty = MemoryStore()
    empty.grant(10)  # A lease's id never comes again: etcd's are drawn by chance.
    registry, now = begun(empty)
    first, second = store.get(KEY), empty.get(KEY)
    assert first is not None
    assert second is not None
    assert (first.create_revision, first.mod_revision) == (second.create_revision, second.mod_revision)
    with pytest.raises(GuardFailedError):
        await registry.commit([Put("/x", b"")], guards=[before.guard])
    with pytest.raises(DeposedError):
        await Fence(registry, first).renew()
    await registry.commit([Put("/x", b"")], guards=[now.guard])
