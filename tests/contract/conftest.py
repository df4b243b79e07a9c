"""One suite for every store: each test runs against each of them, under a key prefix of its own."""

from __future__ import annotations

import itertools
import os
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from tests.support.faulty import FaultyRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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


@pytest.fixture(params=[in_memory, faultless], ids=["memory", "faultless"])
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
