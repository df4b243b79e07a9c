"""The view, in virtual time, over a registry that goes wrong."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import Revision
from fleetpy.registry.memory import MemoryRegistry, MemoryStore, MemoryWatch
from fleetpy.registry.protocol import NEWEST, Delete, Put
from fleetpy.registry.view import Changes, View
from tests.support.faulty import Faults, FaultyRegistry
from tests.support.oracle import Oracle, random_writes, with_revision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fleetpy.registry.protocol import Entry, Page

pytestmark = pytest.mark.looptime(noop_cycles=1)

PREFIX = "/v/"


def text(entry: Entry) -> str:
    return entry.value.decode("ascii")


def virtual_store() -> MemoryStore:
    return MemoryStore(clock=asyncio.get_running_loop().time)


@asynccontextmanager
async def running(view: View[str]) -> AsyncIterator[View[str]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(view.run())
        yield view
        task.cancel()


def record(view: View[str]) -> list[Changes[str]]:
    told: list[Changes[str]] = []
    view.subscribe(told.append)
    return told


def put(store: MemoryStore, **values: str) -> Revision:
    return store.commit([Put(f"{PREFIX}{key}", value.encode()) for key, value in values.items()])


def remove(store: MemoryStore, *keys: str) -> Revision:
    return store.commit([Delete(f"{PREFIX}{key}") for key in keys])


def keys(**values: str) -> Mapping[str, str]:
    return {f"{PREFIX}{key}": value for key, value in values.items()}


def faulty(store: MemoryStore, faults: Faults | None = None, seed: int = 0) -> FaultyRegistry:
    return FaultyRegistry(MemoryRegistry(store), random.Random(seed), faults)  # noqa: S311 - not a secret


async def test_what_is_there_is_read_in_pages_and_told_once() -> None:
    store = virtual_store()
    revision = put(store, **{f"k{number}": str(number) for number in range(5)})
    store.commit([Put("/other", b"")])
    view = View(MemoryRegistry(store), PREFIX, text, page_size=2)
    told = record(view)
    async with running(view), asyncio.timeout(1):
        await view.synced()
        assert view.revision == revision + 1
        assert view.entries == keys(k0="0", k1="1", k2="2", k3="3", k4="4")
        assert told == [Changes(view.revision, view.entries, frozenset())]


async def test_an_empty_prefix_is_told_as_read() -> None:
    view = View(MemoryRegistry(virtual_store()), PREFIX, text)
    told = record(view)
    async with running(view), asyncio.timeout(1):
        await view.synced()
    assert told == [Changes(Revision(1), {}, frozenset())]


async def test_each_batch_is_told_when_the_entries_show_it() -> None:
    store = virtual_store()
    put(store, a="1", b="1")
    view = View(MemoryRegistry(store), PREFIX, text)
    async with running(view), asyncio.timeout(1):
        await view.synced()
        shown: list[dict[str, str]] = []
        told = record(view)
        view.subscribe(lambda _: shown.append(dict(view.entries)))
        revision = store.commit([Put(f"{PREFIX}a", b"2"), Delete(f"{PREFIX}b"), Put(f"{PREFIX}c", b"2")])
        await view.at_least(revision)
    assert told == [Changes(revision, keys(a="2", c="2"), frozenset({f"{PREFIX}b"}))]
    assert shown == [keys(a="2", c="2")]


async def test_nobody_is_told_after_they_have_unsubscribed() -> None:
    store = virtual_store()
    view = View(MemoryRegistry(store), PREFIX, text)
    told: list[Changes[str]] = []
    unsubscribe = view.subscribe(told.append)
    async with running(view), asyncio.timeout(1):
        await view.synced()
        unsubscribe()
        await view.at_least(put(store, a="1"))
    assert len(told) == 1


async def test_the_last_of_several_events_of_a_key_counts() -> None:
    store = virtual_store()
    put(store, gone="1", back="1")
    registry = faulty(store)
    view = View(registry, PREFIX, text)
    async with running(view), asyncio.timeout(10):
        await view.synced()
        told = record(view)
        remove(store, "gone", "back")
        put(store, back="2", brief="2")
        revision = remove(store, "brief")
        await view.at_least(revision)
    assert told == [Changes(revision, keys(back="2"), frozenset({f"{PREFIX}gone"}))]


async def test_after_a_broken_stream_only_the_differences_are_told() -> None:
    store = virtual_store()
    registry = faulty(store)
    put(store, same="1", other="1", gone="1", recreated="1")
    view = View(registry, PREFIX, text)
    async with running(view):
        await view.synced()
        told = record(view)
        await registry.cut(off=True)
        put(store, other="2", new="2")
        remove(store, "gone", "recreated")
        revision = put(store, recreated="1")
        await asyncio.sleep(100)
        assert told == []
        await registry.cut(off=False)
        await view.at_least(revision)
    assert told == [Changes(revision, keys(other="2", new="2", recreated="1"), frozenset({f"{PREFIX}gone"}))]


async def test_a_compaction_while_it_was_away_does_not_matter() -> None:
    store = virtual_store()
    registry = faulty(store)
    put(store, a="1", b="1")
    view = View(registry, PREFIX, text)
    async with running(view):
        await view.synced()
        await registry.cut(off=True)
        remove(store, "a")
        revision = put(store, b="2")
        store.compact(revision)
        await registry.cut(off=False)
        await view.at_least(revision)
        assert view.entries == keys(b="2")


async def test_a_compaction_between_two_pages_makes_it_start_again() -> None:
    store = virtual_store()
    put(store, **{f"k{number}": "1" for number in range(10)})

    class Compacting(MemoryRegistry):
        watches = 0

        async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = Revision(0)):  # type: ignore[no-untyped-def] # noqa: ANN202, B008
            page = await super().page(prefix, after=after, limit=limit, revision=revision)
            if store.revision < 5:
                store.compact(put(store, k9="2"))
            return page

    view = View(Compacting(store), PREFIX, text, page_size=4)
    told = record(view)
    async with running(view), asyncio.timeout(10):
        await view.synced()
    assert len(told) == 1
    assert told[0].changed[f"{PREFIX}k9"] == "2"


async def test_a_store_that_was_set_back_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    """Also where a revision that was seen before now stands for another value."""
    first, restored = virtual_store(), virtual_store()
    for store in (first, restored):
        put(store, a="1", b="1")
    lost = put(first, b="lost")
    put(first, c="lost")
    again = put(restored, b="2")
    assert lost == again
    registry = faulty(first)
    view = View(registry, PREFIX, text)
    async with running(view), asyncio.timeout(10):
        await view.synced()
        assert view.entries == keys(a="1", b="lost", c="lost")
        told = record(view)
        await registry.switch(MemoryRegistry(restored))
        await asyncio.sleep(5)
        assert told == [Changes(again, keys(b="2"), frozenset({f"{PREFIX}c"}), set_back=True)]
        assert re.search("set back from revision 4 of .* to revision 3 of ", caplog.text)
        await view.at_least(put(restored, b="3"))
        assert view.entries == keys(a="1", b="3")


async def test_a_value_that_cannot_be_read_is_reported_once_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    store = virtual_store()
    registry = faulty(store)
    store.commit([Put(f"{PREFIX}bad", b"\xff"), Put(f"{PREFIX}good", b"1"), Put(f"{PREFIX}turns", b"1")])
    view = View(registry, PREFIX, text)
    async with running(view), asyncio.timeout(100):
        await view.synced()
        assert view.entries == keys(good="1", turns="1")
        told = record(view)
        await registry.break_watches()
        bad = store.commit([Put(f"{PREFIX}turns", b"\xff")])
        await view.at_least(bad)
        await registry.break_watches()
        mended = put(store, bad="2")
        await view.at_least(mended)
        last = remove(store, "turns")
        await view.at_least(last)
    assert told == [
        Changes(bad, {}, frozenset({f"{PREFIX}turns"})),
        Changes(mended, keys(bad="2"), frozenset()),
    ]
    reports = [entry.getMessage() for entry in caplog.records if "cannot be read and is passed over" in entry.message]
    assert len(reports) == 2
    assert reports[0].startswith("/v/bad at revision 2 ")


async def test_a_value_that_means_nothing_is_absent_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    store = virtual_store()
    put(store, a="1", b="")
    view = View(MemoryRegistry(store), PREFIX, lambda entry: text(entry) or None)
    async with running(view), asyncio.timeout(1):
        await view.synced()
        assert view.entries == keys(a="1")
    assert not caplog.records


async def test_at_least_waits_for_the_revision_of_a_write() -> None:
    store = virtual_store()
    view = View(faulty(store, Faults(delay=0.05)), PREFIX, text)
    async with running(view):
        for number in range(5):
            revision = put(store, a=str(number))
            await view.at_least(revision)
            assert view.entries == keys(a=str(number))


async def test_at_least_learns_that_nothing_happened_on_an_idle_prefix() -> None:
    store = virtual_store()
    view = View(MemoryRegistry(store), PREFIX, text)
    async with running(view), asyncio.timeout(1):
        await view.synced()
        told = record(view)
        revision = store.commit([Put("/elsewhere", b"")])
        await view.at_least(revision)
        assert view.revision == revision
    assert told == []


async def test_at_least_does_not_wait_out_the_pause_between_two_tries() -> None:
    loop, store = asyncio.get_running_loop(), virtual_store()
    registry = faulty(store)
    view = View(registry, PREFIX, text)
    async with running(view):
        await view.synced()
        await registry.cut(off=True)
        for _ in range(10):
            await asyncio.sleep(7.3)
            await registry.cut(off=False)
            back = loop.time()
            # Whoever has a revision in hand knows that the registry answers.
            await view.at_least(put(store, a=str(back)))
            assert loop.time() - back < 0.2
            await registry.cut(off=True)


class Untrusted(MemoryWatch):
    """A watch that cannot be asked, as that of etcd 3.4.23."""

    async def request_progress(self) -> bool:
        return False


class Hanging(MemoryWatch):
    """A watch whose stream hangs: it is asked, and never answers."""

    async def request_progress(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [Untrusted, Hanging])
async def test_at_least_reads_again_where_a_watch_cannot_tell(kind: type[MemoryWatch]) -> None:
    store = virtual_store()

    class WithSuchWatches(MemoryRegistry):
        def watch(self, prefix: str, *, start: Revision) -> MemoryWatch:
            return kind(self, store, prefix, start)

    view = View(WithSuchWatches(store), PREFIX, text)
    async with running(view), asyncio.timeout(5):
        await view.synced()
        revision = store.commit([Put("/elsewhere", b"")])
        await asyncio.gather(*(view.at_least(revision) for _ in range(20)))


async def test_what_is_read_anew_is_not_of_a_past_whose_broken_watch_nobody_has_noticed() -> None:
    first, restored = virtual_store(), virtual_store()
    for store in (first, restored):
        put(store, a="1")

    class CutOff(MemoryRegistry):
        store = first

        async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
            return await MemoryRegistry(self.store).page(prefix, after=after, limit=limit, revision=revision)

        def watch(self, prefix: str, *, start: Revision) -> MemoryWatch:
            return Hanging(self, first, prefix, start)

    for number in range(9):
        put(first, b=str(number))
    registry = CutOff(first)
    view = View(registry, PREFIX, text)
    async with running(view), asyncio.timeout(5):
        await view.synced()
        told = record(view)
        registry.store = restored
        now = put(restored, c="1")
        await view.at_least(now)
        assert view.revision == first.revision
        await view.reread()
        assert told == [Changes(now, keys(c="1"), frozenset({f"{PREFIX}b"}), set_back=True)]


async def test_a_reading_that_was_under_way_does_not_count_as_one_anew() -> None:
    store, asked, answer = virtual_store(), asyncio.Event(), asyncio.Event()
    readings: list[Revision] = []

    class Slow(MemoryRegistry):
        async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
            page = await super().page(prefix, after=after, limit=limit, revision=revision)
            readings.append(page.revision)
            asked.set()
            await answer.wait()
            return page

    view = View(Slow(store), PREFIX, text)
    async with running(view), asyncio.timeout(5):
        await asked.wait()
        written = put(store, a="1")
        waiting = asyncio.create_task(view.reread())
        await asyncio.sleep(0)
        answer.set()
        await waiting
        assert readings == [Revision(written - 1), written]
        assert view.entries == keys(a="1")


async def test_reading_anew_begins_when_the_registry_is_back() -> None:
    store = virtual_store()
    registry = faulty(store)
    view = View(registry, PREFIX, text)
    async with running(view), asyncio.timeout(500), asyncio.TaskGroup() as group:
        await view.synced()
        await registry.cut(off=True)
        anew = group.create_task(view.reread())
        await asyncio.sleep(100)
        assert not anew.done()
        put(store, a="1")
        await registry.cut(off=False)
        await anew
        assert view.entries == keys(a="1")


async def test_at_least_lets_a_watch_speak_that_is_only_behind() -> None:
    store = virtual_store()
    opened: list[Revision] = []

    class WithSuchWatches(MemoryRegistry):
        def watch(self, prefix: str, *, start: Revision) -> MemoryWatch:
            opened.append(start)
            return Untrusted(self, store, prefix, start)

    async def write() -> None:
        for number in range(20):
            await asyncio.sleep(0.08)
            put(store, a=str(number))

    view = View(WithSuchWatches(store), PREFIX, text)
    async with running(view), asyncio.timeout(5), asyncio.TaskGroup() as group:
        await view.synced()
        group.create_task(write())
        await view.at_least(Revision(view.revision + 20))
        assert view.entries == keys(a="19")
    assert len(opened) == 1  # It was not read again.


async def test_a_subscriber_that_raises_ends_the_run() -> None:
    view = View(MemoryRegistry(virtual_store()), PREFIX, text)

    def fail(_: Changes[str]) -> None:
        raise LookupError("a bug")

    view.subscribe(fail)
    with pytest.raises(LookupError, match="a bug"):
        await view.run()


async def test_an_outage_is_reported_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = virtual_store()
    registry = faulty(store)
    view = View(registry, PREFIX, text)
    async with running(view):
        await view.synced()
        for _ in range(2):
            await asyncio.sleep(1000)
            await registry.cut(off=True)
            await asyncio.sleep(1000)
            await registry.cut(off=False)
            await asyncio.sleep(1000)
            assert [entry.levelno for entry in caplog.records] == [logging.WARNING, logging.INFO]
            caplog.clear()


async def test_a_registry_that_is_away_is_not_hammered() -> None:
    store = virtual_store()
    registry = faulty(store)
    reads = 0

    class Counting(FaultyRegistry):
        async def pass_time(self) -> None:
            nonlocal reads
            reads += 1

    registry = Counting(MemoryRegistry(store), random.Random(0))  # noqa: S311 - not a secret
    await registry.cut(off=True)
    async with running(View(registry, PREFIX, text)):
        await asyncio.sleep(100)
    assert 50 <= reads <= 110


@pytest.mark.parametrize("seed", range(60))
async def test_nothing_is_missed_or_told_twice_however_the_stream_breaks(seed: int) -> None:
    random.seed(seed)  # Waits between tries are cut at random too, and a failing seed is to replay.
    dice = random.Random(seed)  # noqa: S311 - not a secret
    store = virtual_store()
    oracle = Oracle(store.revision)
    faults = Faults(refused=0.1, unanswered=0.1, broken=0.2, repeated=0.2, delay=dice.choice([0.0, 0.01, 0.3]))
    registry = faulty(store, faults, seed)
    view = View(registry, PREFIX, with_revision, page_size=dice.randint(1, 6))
    view.subscribe(oracle.hold)
    async with running(view):
        for _ in range(150):
            writes = random_writes(dice, PREFIX)
            revision = store.commit(writes)
            oracle.note(revision, writes)
            if dice.random() < 0.1:
                store.compact(Revision(dice.randint(1, revision)))
            if dice.random() < 0.05:
                await registry.break_watches()
            if dice.random() < 0.3:
                await asyncio.sleep(dice.choice([0.0, 0.001, 0.02, 1.0]))
        async with asyncio.timeout(300):
            await view.at_least(store.revision)
    assert view.entries == oracle.newest
