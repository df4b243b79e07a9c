"""The view over a real etcd whose connections are broken, held up and compacted away at random moments."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.errors import UnavailableError
from fleetpy.ids import Revision
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.protocol import Put
from fleetpy.registry.view import View
from tests.support.etcd import EtcdServer, until_answering
from tests.support.oracle import Oracle, random_writes, with_revision
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fleetpy.registry.protocol import Registry, Write

PREFIX = "/view/"


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdServer]:
    with EtcdServer(in_memory=False) as server:
        yield server


@pytest.fixture
async def writer(etcd: EtcdServer) -> AsyncIterator[Registry]:
    """A client that nothing happens to; the prefix is empty when it comes."""
    registry = connect(EtcdSettings(endpoints=(etcd.url,), request_timeout=10))
    await until_answering(registry)
    await asyncio.to_thread(etcd.etcdctl, "del", "--prefix", PREFIX)
    yield registry
    await registry.close()


class Watched:
    """A view behind a proxy, held to an oracle that is told of every write."""

    def __init__(self, etcd: EtcdServer, writer: Registry, proxy: Proxy, oracle: Oracle) -> None:
        self.etcd = etcd
        self.proxy = proxy
        self.oracle = oracle
        self.registry = connect(EtcdSettings(endpoints=(proxy.url,), request_timeout=1))
        self.view: View[str] = View(self.registry, PREFIX, with_revision, page_size=5)
        self.view.subscribe(oracle.hold)
        self._writer = writer

    async def write(self, dice: random.Random) -> Revision:
        """One transaction; it is written again, with others, if etcd was away."""
        while True:
            writes = random_writes(dice, PREFIX)
            writes.append(Put(f"{PREFIX}always", b"%d" % dice.randrange(1 << 30)))
            try:
                revision = await self._writer.commit(writes)
            except UnavailableError:
                await until_answering(self._writer)
                await self._reconcile()
            else:
                self.oracle.note(revision, writes)
                return revision

    async def _reconcile(self) -> None:
        """An answer was lost: see whether what was written was committed."""
        page = await self._writer.page(PREFIX)
        if {entry.key: with_revision(entry) for entry in page.entries} != self.oracle.newest:
            pytest.fail("a write was committed whose answer was lost; the oracle cannot know when")


@asynccontextmanager
async def watched(etcd: EtcdServer, writer: Registry) -> AsyncIterator[Watched]:
    revision = (await writer.page(PREFIX)).revision
    async with Proxy(etcd.port) as proxy:
        one = Watched(etcd, writer, proxy, Oracle(revision))
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(one.view.run())
                yield one
                task.cancel()
        finally:
            await one.registry.close()


async def caught_up(one: Watched, revision: Revision) -> None:
    async with asyncio.timeout(30):
        await one.view.at_least(revision)
    assert one.view.entries == one.oracle.newest


async def test_nothing_is_missed_or_told_twice_while_the_stream_is_killed_at_random_moments(
    etcd: EtcdServer, writer: Registry
) -> None:
    dice = random.Random(20260131)  # noqa: S311 - not a secret
    async with watched(etcd, writer) as one:
        kills = 0
        revision = Revision(0)

        async def kill() -> None:
            nonlocal kills
            while True:
                await asyncio.sleep(dice.uniform(0, 0.3))
                one.proxy.cut()
                kills += 1

        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill())
            async with asyncio.timeout(100):
                while kills < 60:
                    revision = await one.write(dice)
                    if dice.random() < 0.01:
                        await asyncio.to_thread(etcd.etcdctl, "compact", str(revision - dice.randint(0, 3)))
            killing.cancel()
        await caught_up(one, revision)


async def test_a_watch_that_starts_at_a_compaction_misses_nothing(etcd: EtcdServer, writer: Registry) -> None:
    """Right where etcd 3.4.23 forgets removals: the view is away while a key is removed and that is compacted."""
    dice = random.Random(1)  # noqa: S311 - not a secret
    async with watched(etcd, writer) as one:
        for _ in range(10):
            await caught_up(one, await one.write(dice))
            await one.proxy.refuse()
            for _ in range(dice.randint(1, 3)):
                await asyncio.to_thread(etcd.etcdctl, "compact", str(await one.write(dice)))
            await one.proxy.accept()
            await caught_up(one, await one.write(dice))


async def test_a_view_goes_on_through_restarts_of_etcd(etcd: EtcdServer, writer: Registry) -> None:
    dice = random.Random(2)  # noqa: S311 - not a secret
    async with watched(etcd, writer) as one:
        for end in (etcd.halt, etcd.kill, etcd.kill):
            for _ in range(20):
                await one.write(dice)
            await caught_up(one, await one.write(dice))
            await asyncio.to_thread(end)
            await asyncio.to_thread(etcd.start_again)
            await until_answering(writer)
            await caught_up(one, await one.write(dice))


async def test_a_stream_that_hangs_is_noticed_without_a_request(etcd: EtcdServer, writer: Registry) -> None:
    """No answer, no error: only the keepalive tells, within 9 s, and the new connection is tried at once."""
    dice = random.Random(3)  # noqa: S311 - not a secret
    async with watched(etcd, writer) as one:
        for _ in range(3):  # The first may have been read, the last came by the watch.
            await caught_up(one, await one.write(dice))
        loop = asyncio.get_running_loop()
        one.proxy.hold()
        held = loop.time()
        while not one.view.trouble:
            await asyncio.sleep(0.05)  # The view tells of trouble by no event.
            assert loop.time() - held < 12
        revision = await one.write(dice)
        await one.proxy.release()
        await caught_up(one, revision)


async def test_a_reader_in_need_does_not_wait_for_the_keepalive(etcd: EtcdServer, writer: Registry) -> None:
    """One connection hangs, another would not: who waits for a revision has the view read anew."""
    dice = random.Random(4)  # noqa: S311 - not a secret
    async with watched(etcd, writer) as one:
        await caught_up(one, await one.write(dice))
        one.proxy.hold()
        revision = await one.write(dice)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(caught_up(one, revision))
            await asyncio.wait([waiting], timeout=1)
            assert not waiting.done()
            await one.proxy.release()
            async with asyncio.timeout(5):
                await waiting


async def test_an_idle_prefix_learns_that_etcd_has_gone_on(etcd: EtcdServer, writer: Registry) -> None:
    dice = random.Random(5)  # noqa: S311 - not a secret
    async with watched(etcd, writer) as one:
        await caught_up(one, await one.write(dice))
        revision = await writer.commit([Put("/elsewhere", b"")])
        async with asyncio.timeout(3):
            await one.view.at_least(revision)
        assert one.view.entries == one.oracle.newest


async def test_a_watcher_too_slow_for_a_compaction_misses_nothing(etcd: EtcdServer, writer: Registry) -> None:
    """Nothing is lost on its way, but it comes so slowly that etcd has compacted what it has yet to send."""
    dice = random.Random(6)  # noqa: S311 - not a secret
    large = bytes(400_000)
    async with watched(etcd, writer) as one:
        for _ in range(3):
            await caught_up(one, await one.write(dice))
        one.proxy.hold()
        revision = Revision(0)
        for number in range(60):  # 24 MB: more than all buffers on the way take.
            writes: list[Write] = [Put(f"{PREFIX}large", b"%d" % number + large)]
            revision = await writer.commit(writes)
            one.oracle.note(revision, writes)
        await asyncio.to_thread(etcd.etcdctl, "compact", str(revision))
        one.proxy.go_on()
        await caught_up(one, revision)
        await caught_up(one, await one.write(dice))
