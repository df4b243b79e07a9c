from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from fleetpy.model.records import LeaderRecord
from fleetpy.planner.plan import PlanSettings
from fleetpy.registry.election import Election
from fleetpy.registry.keys import Keys
from fleetpy.registry.lease import Renewer
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, Put
from fleetpy_scheduler.leading import Scheduler
from fleetpy_scheduler.metrics import EngineMetrics
from tests.support.backup import backup, renewed
from tests.support.faulty import FaultyRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEYS = Keys()
TTL = 5.0


@dataclass
class Candidate:
    scheduler: asyncio.Task[None]
    renewer: asyncio.Task[None]
    registry: FaultyRegistry
    said: list[str]


class Candidates:
    """Schedulers of one cluster, by name."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self.store = MemoryStore(clock=asyncio.get_running_loop().time)
        self.client = MemoryRegistry(self.store)

    def start(self, name: str) -> Candidate:
        registry = FaultyRegistry(MemoryRegistry(self.store), random.Random(0))  # noqa: S311 - not a secret
        renewer = Renewer(registry, TTL, asyncio.get_running_loop().time)
        said: list[str] = []
        scheduler = Scheduler(
            registry=registry,
            keys=KEYS,
            election=Election(registry, KEYS.leader, renewer),
            identity=name,
            settings=PlanSettings(),
            interval=30.0,
            say=said.append,
            metrics=EngineMetrics(),
        )
        start = self._group.create_task
        return Candidate(start(scheduler.run()), start(renewer.run()), registry, said)

    async def leader(self) -> str | None:
        entry = await self.client.get(KEYS.leader)
        return LeaderRecord.decode(entry.value).identity if entry else None


@asynccontextmanager
async def cluster() -> AsyncIterator[Candidates]:
    tasks: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group:
        candidates = Candidates(group)
        before = asyncio.all_tasks()
        yield candidates
        tasks = list(asyncio.all_tasks() - before)
        for task in tasks:
            task.cancel()


@pytest.mark.looptime
async def test_of_two_schedulers_one_leads_and_the_other_waits() -> None:
    async with cluster() as candidates:
        first = candidates.start("first")
        await asyncio.sleep(1)
        second = candidates.start("second")
        await asyncio.sleep(60)
        assert await candidates.leader() == "first"
        assert second.said == ["Waits to lead"]
        assert not first.scheduler.done()


@pytest.mark.looptime
async def test_a_scheduler_that_ends_lets_the_next_lead_at_once() -> None:
    async with cluster() as candidates:
        first = candidates.start("first")
        await asyncio.sleep(1)
        candidates.start("second")
        await asyncio.sleep(1)
        first.scheduler.cancel()
        await asyncio.sleep(0.1)
        assert await candidates.leader() == "second"


@pytest.mark.looptime
async def test_a_scheduler_that_falls_silent_is_followed_when_its_lease_is_gone() -> None:
    async with cluster() as candidates:
        first = candidates.start("first")
        await asyncio.sleep(1)
        candidates.start("second")
        await asyncio.sleep(1)
        await first.registry.close()
        await asyncio.sleep(TTL + 0.5)
        assert await candidates.leader() == "second"


@pytest.mark.looptime
async def test_a_scheduler_whose_key_was_removed_stands_again() -> None:
    async with cluster() as candidates:
        first = candidates.start("first")
        await asyncio.sleep(1)
        await candidates.client.commit([Delete(KEYS.leader)])
        await asyncio.sleep(1)
        assert await candidates.leader() == "first"
        assert first.said.count("Waits to lead") == 2


@pytest.mark.looptime
async def test_when_the_registry_was_set_back_the_leader_begins_a_new_term() -> None:
    """Its lease and its key have survived in the backup: what it has under way must not be written all the same."""
    async with cluster() as candidates:
        first = candidates.start("first")
        await asyncio.sleep(1)
        saved = backup(candidates.store, candidates.store.now)
        for number in range(10):
            await candidates.client.commit([Put(f"{KEYS.prefix}later/{number}", b"")])
        await asyncio.sleep(60)
        before = saved.get(KEYS.leader)
        assert before is not None
        await first.registry.switch(MemoryRegistry(renewed(saved)))
        await asyncio.sleep(2)
        after = saved.get(KEYS.leader)
        assert after is not None
        assert after.lease == before.lease
        assert after.create_revision > before.create_revision
        assert first.said.count("Waits to lead") == 2
