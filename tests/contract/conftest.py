"""One suite for every store: each test runs against each of them, under a key prefix of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from tests.support.etcd import EtcdServer, until_answering
from tests.support.faulty import FaultyRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Registry

PREFIXES = (f"/contract/{os.getpid()}/{number}/" for number in itertools.count())


class Store(Protocol):
    """What a test can do to a store beside talking to it through a registry."""

    async def connect(self) -> Registry: ...

    async def compact(self, revision: Revision) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._store = MemoryStore()

    async def connect(self) -> Registry:
        return MemoryRegistry(self._store)

    async def compact(self, revision: Revision) -> None:
        self._store.compact(revision)


@asynccontextmanager
async def in_memory(_: pytest.FixtureRequest) -> AsyncIterator[Store]:
    yield InMemory()


class Faultless(InMemory):
    """What simulations put in front of the memory, when nothing goes wrong."""

    async def connect(self) -> Registry:
        return FaultyRegistry(await super().connect(), random.Random(0))  # noqa: S311 - not a secret


@asynccontextmanager
async def faultless(_: pytest.FixtureRequest) -> AsyncIterator[Store]:
    yield Faultless()


class InEtcd:
    def __init__(self, server: EtcdServer) -> None:
        self._server = server

    async def connect(self) -> Registry:
        return connect(EtcdSettings(endpoints=(self._server.url,), request_timeout=5))

    async def compact(self, revision: Revision) -> None:
        await asyncio.to_thread(self._server.etcdctl, "compact", str(revision))


@pytest.fixture(scope="session")
def etcd() -> Iterator[EtcdServer]:
    """One etcd for the whole suite: each test has keys of its own."""
    with EtcdServer() as server:
        yield server


@asynccontextmanager
async def in_etcd(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    store = InEtcd(request.getfixturevalue("etcd"))
    registry = await store.connect()
    await until_answering(registry)
    await registry.close()
    yield store


@pytest.fixture(params=[in_memory, faultless, in_etcd], ids=["memory", "faultless", "etcd"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    async with request.param(request) as opened:
        yield opened


@pytest.fixture
async def registry(store: Store) -> AsyncIterator[Registry]:
    connected = await store.connect()
    yield connected
    await connected.close()


@pytest.fixture
async def other(store: Store) -> AsyncIterator[Registry]:
    """A second client of the same store."""
    connected = await store.connect()
    yield connected
    await connected.close()


@pytest.fixture
def prefix() -> str:
    return next(PREFIXES)
