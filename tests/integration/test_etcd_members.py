"""Three members of etcd, of which one is killed, hangs, is cut off from the others; and one that is full."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.errors import UnavailableError
from fleetpy.ids import Revision
from fleetpy.registry.election import Election
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.lease import LeaseKeeper
from fleetpy.registry.protocol import Delete, Put, RegistryFullError, RequestTooLargeError
from fleetpy.registry.view import View
from tests.support.etcd import EtcdCluster, EtcdServer, free_port, until_answering
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fleetpy.registry.protocol import Registry

TIMEOUT = 1.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[EtcdCluster]:
    with EtcdCluster() as members:
        yield members


@asynccontextmanager
async def connected(*urls: str) -> AsyncIterator[Registry]:
    registry = connect(EtcdSettings(endpoints=urls, request_timeout=TIMEOUT))
    yield registry
    await registry.close()


@pytest.fixture
async def well(cluster: EtcdCluster) -> EtcdCluster:
    """The cluster, when every member of it answers."""
    for url in cluster.urls:
        async with connected(url) as registry:
            await until_answering(registry)
    return cluster


async def seconds(work: object) -> float:
    """How long it takes."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert asyncio.iscoroutine(work)
    await work
    return loop.time() - started


async def test_dead_endpoints_cost_little(well: EtcdCluster) -> None:
    dead = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    for urls in ((*dead, well.urls[0]), (dead[0], *well.urls)):
        async with connected(*urls) as registry:
            assert await seconds(registry.get("/a")) < 1


async def test_an_endpoint_that_hangs_costs_a_moment(well: EtcdCluster) -> None:
    async with Proxy(well.members[0].port) as first, Proxy(well.members[1].port) as second:
        first.hold()
        second.hold()
        for _ in range(3):
            async with connected(first.url, second.url, well.urls[2]) as registry:
                assert await seconds(registry.get("/a")) < 1


async def test_no_member_at_all_is_an_error_that_names_each() -> None:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    async with connected(*urls) as registry:
        with pytest.raises(UnavailableError) as raised:
            await registry.get("/a")
        assert all(url in str(raised.value) for url in urls)
        assert "refused" in str(raised.value)
        assert await seconds(_all_fail(registry)) < 2


async def _all_fail(registry: Registry) -> None:
    results = await asyncio.gather(*(registry.get("/a") for _ in range(50)), return_exceptions=True)
    assert all(isinstance(result, UnavailableError) for result in results)


class InUse:
    """Each member behind a proxy, so that a test can tell, and have fail, the one that is in use."""

    def __init__(self, proxies: list[Proxy]) -> None:
        self.proxies = proxies

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(proxy.url for proxy in self.proxies)

    async def current(self) -> Proxy:
        """The one in use, when connections to others, which were asked as well, have ended."""
        async with asyncio.timeout(5):
            while len(in_use := [proxy for proxy in self.proxies if proxy.connections]) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # A proxy tells of its connections by no event.
        return in_use[0]


@asynccontextmanager
async def behind_proxies(cluster: EtcdCluster) -> AsyncIterator[InUse]:
    async with (
        Proxy(cluster.members[0].port) as one,
        Proxy(cluster.members[1].port) as two,
        Proxy(cluster.members[2].port) as three,
    ):
        yield InUse([one, two, three])


async def test_when_the_member_in_use_dies_requests_go_on_within_a_second(well: EtcdCluster) -> None:
    async with behind_proxies(well) as members, connected(*members.urls) as registry:
        for _ in range(5):
            await registry.commit([Put("/a", b"")])
            current = await members.current()
            await current.refuse()
            assert await seconds(registry.get("/a")) < 1
            await registry.commit([Put("/a", b"")])
            await current.accept()


async def test_when_the_member_in_use_hangs_reads_take_a_timeout_and_a_moment(well: EtcdCluster) -> None:
    async with behind_proxies(well) as members, connected(*members.urls) as registry:
        for _ in range(3):
            await registry.get("/a")
            current = await members.current()
            current.hold()
            # One timeout for the request, one to ask the member how it is, then another member.
            assert await seconds(registry.get("/a")) < 3 * TIMEOUT
            assert await seconds(registry.commit([Put("/a", b"")])) < TIMEOUT
            await current.release()


async def test_when_the_member_in_use_hangs_its_watches_move_with_the_first_request(well: EtcdCluster) -> None:
    async with behind_proxies(well) as members, connected(*members.urls) as registry:
        view: View[str] = View(registry, "/moved/", lambda entry: entry.value.decode())
        async with asyncio.TaskGroup() as group:
            task = group.create_task(view.run())
            await view.at_least(await registry.commit([Put("/moved/a", b"1")]))
            (await members.current()).hold()
            await registry.get("/moved/a")
            revision = await registry.commit([Put("/moved/a", b"2")])
            async with asyncio.timeout(2):
                await view.at_least(revision)
            task.cancel()


async def test_a_commit_is_not_repeated_when_its_answer_is_lost(well: EtcdCluster) -> None:
    async with behind_proxies(well) as members, connected(*members.urls) as registry, connected(*well.urls) as other:
        await registry.commit([Put("/once", b"1")])
        (await members.current()).hold()
        with pytest.raises(UnavailableError):
            await registry.commit([Put("/once", b"2")])
        entry = await other.get("/once")
        assert entry is not None
        written = await registry.commit([Put("/once", b"3")])
        entry = await other.get("/once")
        assert entry is not None
        assert (entry.value, entry.mod_revision) == (b"3", written)


@pytest.mark.parametrize(
    ("end", "undo"),
    [(EtcdServer.kill, EtcdServer.start_again), (EtcdServer.freeze, EtcdServer.thaw)],
    ids=["killed", "frozen"],
)
async def test_a_lease_and_a_leader_outlive_any_one_member(
    well: EtcdCluster, end: Callable[[EtcdServer], None], undo: Callable[[EtcdServer], None]
) -> None:
    """The leader of etcd is among them: its followers elect another within two seconds or so."""
    settings = EtcdSettings(endpoints=well.urls, request_timeout=0.8)
    keeper = LeaseKeeper(lambda: connect(settings), 5.0)
    async with connected(*well.urls) as registry, asyncio.TaskGroup() as group:
        keeping = group.create_task(keeper.run())
        leadership = await Election(registry, f"/leader/{end.__name__}", keeper).campaign("test")
        lost = group.create_task(leadership.lost())
        for member in well.members:
            await asyncio.to_thread(end, member)
            deadline = keeper.status.deadline
            while keeper.status.deadline < deadline + 4:
                assert not lost.done(), lost.result()
                await asyncio.wait([lost], timeout=0.1)
            await asyncio.to_thread(undo, member)
            async with connected(member.url) as one:
                await until_answering(one)
        lost.cancel()
        keeping.cancel()


async def test_etcds_leader_may_change_without_anybody_noticing(well: EtcdCluster) -> None:
    """A lease is renewed, a leader of ours leads on, and a view is told of every write once and in order."""
    keeper = LeaseKeeper(lambda: connect(EtcdSettings(endpoints=well.urls, request_timeout=0.8)), 5.0)
    told: list[str] = []
    set_back: list[bool] = []
    async with connected(*well.urls) as registry, connected(*well.urls) as writer, asyncio.TaskGroup() as group:
        keeping = group.create_task(keeper.run())
        leadership = await Election(registry, "/leader/moved", keeper).campaign("test")
        lost = group.create_task(leadership.lost())
        view: View[str] = View(registry, "/moved-leader/", lambda entry: entry.value.decode())
        view.subscribe(lambda changes: told.extend(changes.changed.values()))
        view.subscribe(lambda changes: set_back.append(changes.set_back))
        following = group.create_task(view.run())
        await view.synced()
        for number in range(9):
            await asyncio.to_thread(move_leader, well, number % 3)
            deadline = keeper.status.deadline
            revision = await writer.commit([Put(f"/moved-leader/{number}", b"%d" % number)])
            async with asyncio.timeout(5):
                await view.at_least(revision)
            while keeper.status.deadline == deadline:
                assert not lost.done(), lost.result()
                await asyncio.wait([lost], timeout=0.1)
        assert told == [str(number) for number in range(9)]
        assert not any(set_back)
        for task in (following, lost, keeping):
            task.cancel()


def move_leader(cluster: EtcdCluster, to: int) -> None:
    """Have that member lead, whoever does so now; back only when it does."""
    endpoints = ",".join(f"http://etcd{number}:2379" for number in range(3))
    told = json.loads(cluster.members[0].etcdctl("--write-out=json", "endpoint", "status", endpoints=endpoints))
    member = next(one for one in told if one["Endpoint"] == f"http://etcd{to}:2379")["Status"]["header"]["member_id"]
    if told[0]["Status"]["leader"] != member:
        cluster.members[0].etcdctl("move-leader", f"{member:x}", endpoints=endpoints)


async def test_a_watch_on_a_member_that_is_cut_off_from_the_others_ends(well: EtcdCluster) -> None:
    """It goes on answering its clients, and would never tell them of anything again."""
    member = well.members[0]
    async with connected(member.url) as registry, connected(*well.urls[1:]) as others:
        revision = await registry.commit([Put("/cut-off", b"")])
        async with aclosing(registry.watch("/cut-off", start=revision)) as watch, asyncio.timeout(20):
            await anext(watch)
            await asyncio.to_thread(well.cut_off, member)
            try:
                with pytest.raises(UnavailableError):
                    await anext(watch)
                await until_answering(others)
            finally:
                await asyncio.to_thread(well.join_again, member)
        await until_answering(registry)


async def _fill(registry: Registry) -> None:
    while True:
        await registry.commit([Put("/big", bytes(200_000))])


async def test_a_full_etcd_says_so_is_read_and_takes_writes_again_when_there_is_room() -> None:
    with EtcdServer("--quota-backend-bytes=1000000") as server:
        async with connected(server.url) as registry:
            await until_answering(registry)
            await registry.commit([Put("/kept", b"1")])
            with pytest.raises(RequestTooLargeError, match="max-request-bytes"):
                await registry.commit([Put("/huge", bytes(3_000_000))])
            with pytest.raises(RegistryFullError, match="compact and defragment"):
                await _fill(registry)
            assert await registry.get("/kept") is not None
            with pytest.raises(RegistryFullError):
                await registry.commit([Put("/kept", b"2")])
            revision = await registry.commit([Delete("/big")])
            async with aclosing(registry.watch("/kept", start=Revision(1))) as watch:
                assert len((await anext(watch)).events) == 1
            for command in (f"compact {revision}", "defrag", "alarm disarm"):
                await asyncio.to_thread(server.etcdctl, *command.split())
            await registry.commit([Put("/kept", b"3")])
