"""Leases, in every store. Times are real here, so they are short and each test waits for an event, not for a time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import NO_LEASE, LeaseID, Revision
from fleetpy.registry.protocol import Delete, Deleted, LeaseGoneError, Put

if TYPE_CHECKING:
    from fleetpy.registry.protocol import Registry


async def until_removed(registry: Registry, key: str, start: Revision) -> Revision:
    """Wait for the key to be removed at `start` or later, and say when it was."""
    async with asyncio.timeout(20), aclosing(registry.watch(key, start=start)) as watch:
        async for batch in watch:
            for event in batch.events:
                if isinstance(event, Deleted) and event.key == key:
                    return event.revision
    raise AssertionError("a watch ended by itself")


async def test_what_hangs_on_a_lease_goes_with_it_in_one_revision(registry: Registry, prefix: str) -> None:
    lease = await registry.grant_lease(10)
    written = await registry.commit([Put(f"{prefix}{letter}", b"", lease) for letter in "abc"])
    entry = await registry.get(f"{prefix}a")
    assert entry is not None
    assert entry.lease == lease
    await registry.revoke_lease(lease)
    removed = [await until_removed(registry, f"{prefix}{letter}", written) for letter in "abc"]
    assert removed == [written + 1] * 3
    assert (await registry.page(prefix)).entries == ()


async def test_an_unrenewed_lease_expires(registry: Registry, prefix: str) -> None:
    lease = await registry.grant_lease(1)
    written = await registry.commit([Put(f"{prefix}a", b"", lease)])
    await until_removed(registry, f"{prefix}a", written)
    with pytest.raises(LeaseGoneError) as raised:
        await registry.renew_lease(lease)
    assert raised.value.lease == lease
    with pytest.raises(LeaseGoneError):
        await registry.commit([Put(f"{prefix}b", b"", lease)])


async def test_a_renewed_lease_outlives_one_that_is_not(registry: Registry, prefix: str) -> None:
    kept, dropped = await registry.grant_lease(2), await registry.grant_lease(2)
    written = await registry.commit([Put(f"{prefix}kept", b"", kept), Put(f"{prefix}dropped", b"", dropped)])
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(until_removed(registry, f"{prefix}dropped", written))
        while not gone.done():
            assert await registry.renew_lease(kept) > 1
            await asyncio.wait([gone], timeout=0.3)
    assert await registry.get(f"{prefix}kept") is not None
    await registry.revoke_lease(kept)


async def test_renewing_tells_the_seconds_that_are_left(registry: Registry) -> None:
    lease = await registry.grant_lease(29.5)
    assert await registry.renew_lease(lease) == 30
    await registry.revoke_lease(lease)


async def test_a_put_without_the_lease_takes_the_key_off_it(registry: Registry, prefix: str) -> None:
    lease = await registry.grant_lease(10)
    await registry.commit([Put(f"{prefix}a", b"", lease), Put(f"{prefix}b", b"", lease)])
    await registry.commit([Put(f"{prefix}a", b"")])
    await registry.revoke_lease(lease)
    page = await registry.page(prefix)
    assert [(entry.key, entry.lease) for entry in page.entries] == [(f"{prefix}a", NO_LEASE)]


async def test_a_key_moves_from_lease_to_lease(registry: Registry, prefix: str) -> None:
    old, new = await registry.grant_lease(10), await registry.grant_lease(10)
    assert old != new
    await registry.commit([Put(f"{prefix}a", b"", old)])
    await registry.commit([Put(f"{prefix}a", b"", new)])
    await registry.revoke_lease(old)
    assert await registry.get(f"{prefix}a") is not None
    await registry.revoke_lease(new)
    assert await registry.get(f"{prefix}a") is None


async def test_a_removed_key_is_forgotten_by_its_lease(registry: Registry, prefix: str) -> None:
    lease = await registry.grant_lease(10)
    await registry.commit([Put(f"{prefix}a", b"", lease)])
    await registry.commit([Delete(f"{prefix}a")])
    await registry.commit([Put(f"{prefix}a", b"")])
    await registry.revoke_lease(lease)
    assert await registry.get(f"{prefix}a") is not None


async def test_revoking_a_lease_that_is_gone_does_nothing(registry: Registry) -> None:
    lease = await registry.grant_lease(10)
    await registry.revoke_lease(lease)
    await registry.revoke_lease(lease)
    await registry.revoke_lease(LeaseID(0x7FFF_0000_4321))


async def test_another_client_can_take_a_lease_over(registry: Registry, other: Registry, prefix: str) -> None:
    lease = await registry.grant_lease(10)
    await registry.commit([Put(f"{prefix}a", b"", lease)])
    assert await other.renew_lease(lease) == 10
    await other.commit([Put(f"{prefix}b", b"", lease)])
    await other.revoke_lease(lease)
    assert (await registry.page(prefix)).entries == ()


async def test_many_leases_are_renewed_at_once(registry: Registry) -> None:
    leases = await asyncio.gather(*(registry.grant_lease(10) for _ in range(30)))
    assert len(set(leases)) == 30
    assert set(await asyncio.gather(*(registry.renew_lease(lease) for lease in leases))) == {10}
    await asyncio.gather(*(registry.revoke_lease(lease) for lease in leases))


async def test_a_lease_tells_how_much_time_it_has(registry: Registry, prefix: str) -> None:
    lease = await registry.grant_lease(30)
    written = await registry.commit([Put(f"{prefix}a", b"", lease)])
    time = await registry.lease_time(lease)
    assert time is not None
    assert (25 <= time.left <= 30, time.granted) == (True, 30)
    await registry.revoke_lease(lease)
    await until_removed(registry, f"{prefix}a", written)
    assert await registry.lease_time(lease) is None
