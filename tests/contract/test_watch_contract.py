"""Watches, in every store."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from fleetpy.errors import UnavailableError
from fleetpy.ids import Revision
from fleetpy.registry.protocol import CompactedError, Delete, Deleted, Entry, Put, Watch, Write

if TYPE_CHECKING:
    from fleetpy.registry.protocol import EventBatch, Registry
    from tests.contract.conftest import Store


def revision_of(event: Entry | Deleted) -> Revision:
    return event.mod_revision if isinstance(event, Entry) else event.revision


async def from_now(registry: Registry) -> Revision:
    """The revision of the next write."""
    return Revision((await registry.page("/nothing/")).revision + 1)


async def events_until(watch: Watch, revision: Revision) -> list[Entry | Deleted]:
    """Read the watch until it has reached the revision; check what must be true of every batch."""
    events: list[Entry | Deleted] = []
    reached = Revision(0)
    async with asyncio.timeout(20):
        while reached < revision:
            batch = await anext(watch)
            inside = [revision_of(event) for event in batch.events]
            assert inside == sorted(inside)
            assert all(reached < one <= batch.revision for one in inside), "a revision came twice, or in two batches"
            assert reached <= batch.revision
            reached = batch.revision
            events += batch.events
    return events


async def next_batch(watch: Watch) -> EventBatch:
    async with asyncio.timeout(20):
        return await anext(watch)


async def ended(watch: Watch) -> bool:
    async for _ in watch:
        return False
    return True


async def broken(watch: Watch) -> bool:
    with pytest.raises(UnavailableError):
        await next_batch(watch)
    return True


async def test_a_watch_tells_puts_and_removals_with_their_revisions(registry: Registry, prefix: str) -> None:
    key = f"{prefix}a"
    first = await registry.commit([Put(key, b"1")])
    async with aclosing(registry.watch(prefix, start=Revision(first + 1))) as watch:
        second = await registry.commit([Put(key, b"2")])
        third = await registry.commit([Delete(key)])
        assert await events_until(watch, third) == [Entry(key, b"2", first, second), Deleted(key, third)]


async def test_a_watch_tells_what_happened_since_its_start(registry: Registry, prefix: str) -> None:
    revisions = [await registry.commit([Put(f"{prefix}{number}", b"")]) for number in range(5)]
    async with aclosing(registry.watch(prefix, start=revisions[2])) as watch:
        events = await events_until(watch, revisions[-1])
    assert [event.key for event in events] == [f"{prefix}{number}" for number in (2, 3, 4)]


async def test_a_watch_from_the_future_begins_there(registry: Registry, prefix: str) -> None:
    now = await registry.commit([Put(f"{prefix}0", b"")])
    async with aclosing(registry.watch(prefix, start=Revision(now + 3))) as watch, asyncio.TaskGroup() as group:
        batch = group.create_task(next_batch(watch))
        await asyncio.sleep(0)
        for number in (1, 2, 3):
            await registry.commit([Put(f"{prefix}{number}", b"")])
        assert [event.key for event in (await batch).events] == [f"{prefix}3"]


async def test_a_watch_sees_only_its_prefix(registry: Registry, prefix: str) -> None:
    async with aclosing(registry.watch(f"{prefix}b/", start=await from_now(registry))) as watch:
        revision = await registry.commit([Put(f"{prefix}{rest}", b"") for rest in ("a/1", "b", "b/1", "b0", "c/1")])
        assert [event.key for event in await events_until(watch, revision)] == [f"{prefix}b/1"]


async def test_a_watch_on_a_whole_key_sees_that_key(registry: Registry, prefix: str) -> None:
    async with aclosing(registry.watch(f"{prefix}leader", start=await from_now(registry))) as watch:
        await registry.commit([Put(f"{prefix}lead", b"")])
        revision = await registry.commit([Put(f"{prefix}leader", b"")])
        assert [event.key for event in await events_until(watch, revision)] == [f"{prefix}leader"]


async def test_all_events_of_a_revision_arrive_in_one_batch(registry: Registry, prefix: str) -> None:
    async with aclosing(registry.watch(prefix, start=await from_now(registry))) as watch:
        writes: list[Write] = [Put(f"{prefix}{number}", bytes(20_000)) for number in range(60)]
        revision = await registry.commit(writes)
        batch = await next_batch(watch)
        assert batch.revision == revision
        assert [event.key for event in batch.events] == [write.key for write in writes]


async def test_several_watches_each_see_everything(registry: Registry, other: Registry, prefix: str) -> None:
    async with (
        aclosing(registry.watch(prefix, start=await from_now(registry))) as one,
        aclosing(registry.watch(prefix, start=await from_now(registry))) as two,
        aclosing(other.watch(prefix, start=await from_now(registry))) as three,
    ):
        revision = Revision(0)
        for number in range(10):
            revision = await registry.commit([Put(f"{prefix}{number}", b"")])
        seen = [await events_until(watch, revision) for watch in (one, two, three)]
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 10


async def test_progress_never_overtakes_events(registry: Registry, prefix: str) -> None:
    """What a progress batch claims has been told before it: else a view would believe that it is complete."""
    writer_done = asyncio.Event()

    async def write() -> Revision:
        revision = Revision(0)
        for number in range(200):
            revision = await registry.commit([Put(f"{prefix}{number % 7}", str(number).encode())])
        writer_done.set()
        return revision

    first = await registry.commit([Put(f"{prefix}first", b"")])
    async with (
        aclosing(registry.watch(prefix, start=Revision(first + 1))) as watch,
        asyncio.TaskGroup() as group,
    ):
        last = group.create_task(write())

        async def ask() -> None:
            while not writer_done.is_set():
                await watch.request_progress()
                await registry.get(f"{prefix}first")

        group.create_task(ask())
        await writer_done.wait()
        events = await events_until(watch, last.result() if last.done() else await last)
    assert [revision_of(event) for event in events] == list(range(first + 1, first + 201))


async def test_an_idle_watch_learns_how_far_it_has_come_if_it_says_so(registry: Registry, prefix: str) -> None:
    async with (
        aclosing(registry.watch(f"{prefix}idle/", start=await from_now(registry))) as watch,
        asyncio.timeout(20),
        asyncio.TaskGroup() as group,
    ):
        batch = group.create_task(next_batch(watch))
        revision = await registry.commit([Put(f"{prefix}elsewhere", b"")])
        while not batch.done():
            if not await watch.request_progress():
                batch.cancel()
            await asyncio.wait([batch], timeout=0.05)
        if not batch.cancelled():
            assert batch.result().revision >= revision
            assert batch.result().events == ()


async def test_a_watch_from_a_compacted_revision_is_refused(registry: Registry, store: Store, prefix: str) -> None:
    revisions = [await registry.commit([Put(f"{prefix}a", b"")]) for _ in range(3)]
    await store.compact(revisions[1])
    for start in revisions[:2]:
        async with aclosing(registry.watch(prefix, start=start)) as watch:
            with pytest.raises(CompactedError) as raised:
                await next_batch(watch)
        assert (raised.value.asked, raised.value.oldest) == (start, revisions[1])
    async with aclosing(registry.watch(prefix, start=revisions[2])) as watch:
        assert len(await events_until(watch, revisions[2])) == 1


async def test_a_removal_at_the_compacted_revision_is_told_or_the_watch_is_refused(
    registry: Registry, store: Store, prefix: str
) -> None:
    """etcd before 3.4.34 and 3.5.16 forgets such a removal and lets the watch begin all the same."""
    await registry.commit([Put(f"{prefix}a", b"")])
    removed = await registry.commit([Delete(f"{prefix}a")])
    last = await registry.commit([Put(f"{prefix}b", b"")])
    await store.compact(removed)
    async with aclosing(registry.watch(prefix, start=removed)) as watch:
        with pytest.raises(CompactedError):
            await next_batch(watch)
    async with aclosing(registry.watch(prefix, start=last)) as watch:
        assert [event.key for event in await events_until(watch, last)] == [f"{prefix}b"]


async def test_compaction_does_not_disturb_a_watch_that_has_caught_up(
    registry: Registry, store: Store, prefix: str
) -> None:
    first = await registry.commit([Put(f"{prefix}a", b"")])
    async with aclosing(registry.watch(prefix, start=first)) as watch:
        await events_until(watch, first)
        await store.compact(first)
        second = await registry.commit([Delete(f"{prefix}a")])
        assert await events_until(watch, second) == [Deleted(f"{prefix}a", second)]


async def test_a_closed_watch_ends(registry: Registry, prefix: str) -> None:
    watch = registry.watch(prefix, start=await from_now(registry))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        pending = group.create_task(ended(watch))
        await registry.get(prefix)
        await watch.aclose()
        assert await pending
        assert await ended(watch)
    await watch.aclose()


async def test_a_cancelled_read_of_a_watch_loses_nothing(registry: Registry, prefix: str) -> None:
    dice = random.Random(7)  # noqa: S311 - not a secret
    first = await registry.commit([Put(f"{prefix}first", b"")])
    seen: list[Revision] = []
    async with (
        asyncio.timeout(20),
        aclosing(registry.watch(prefix, start=Revision(first + 1))) as watch,
        asyncio.TaskGroup() as group,
    ):

        async def write() -> None:
            for number in range(50):
                await registry.commit([Put(f"{prefix}{number}", b"")])

        group.create_task(write())
        while len(seen) < 50:
            read = group.create_task(next_batch(watch))
            await asyncio.wait([read], timeout=dice.random() / 200)
            read.cancel()
            await asyncio.wait([read])
            if not read.cancelled():
                seen += [revision_of(event) for event in read.result().events]
    assert seen == list(range(first + 1, first + 51))


async def test_closing_the_registry_ends_its_watches_and_refuses_requests(store: Store, prefix: str) -> None:
    registry = await store.connect()
    watch = registry.watch(prefix, start=await from_now(registry))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        pending = group.create_task(broken(watch))
        await registry.get(prefix)
        await registry.close()
        assert await pending
    with pytest.raises(UnavailableError):
        await registry.get(prefix)
    with pytest.raises(UnavailableError):
        await registry.commit([Put(f"{prefix}a", b"")])
    with pytest.raises(UnavailableError):
        await anext(registry.watch(prefix, start=Revision(1)))
    await registry.close()


async def test_a_watch_starts_at_a_revision(registry: Registry, prefix: str) -> None:
    with pytest.raises(ValueError, match="revision 1 or later"):
        registry.watch(prefix, start=Revision(0))
