"""The fence of one term: what becomes of it when the leader key changes while it is being renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, Put
from fleetpy_scheduler.fence import DeposedError, Fence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Guard, Write

KEY = "/leader"


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
    store.commit([Put(KEY, b"us")])
    leader = store.get(KEY)
    assert leader is not None
    registry = BusyRegistry(store)
    return store, registry, Fence(registry, leader)


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
    registry.meanwhile = lambda: store.commit([Put(KEY, b"us")])
    await fence.renew()
    await registry.commit([Put("/x", b"")], guards=[fence.guard])
