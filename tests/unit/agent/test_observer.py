"""What is seen of systemd, when it is slow to answer and when signals are lost."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import UnitName
from fleetpy_agent.memory_files import MemoryFiles
from fleetpy_agent.observer import Observer
from fleetpy_agent.systemd.memory import MemorySystemd
from fleetpy_agent.systemd.protocol import NOWHERE, Verb
from tests.unit.agent.harness import DB, WEB, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime

CACHE = UnitName("cache.service")
UNITS = frozenset({WEB, DB, CACHE})


@asynccontextmanager
async def observing() -> AsyncIterator[tuple[MemorySystemd, Observer]]:
    """A host with loaded units and an observer of them that has looked once."""
    files = MemoryFiles()
    systemd = MemorySystemd(files.read)
    for name in UNITS:
        files.write(name, text(), "")
        await systemd.link([files.unit_file(name)])
    observer = Observer(systemd, lambda: None)
    observer.watch(UNITS)
    await observer.refresh()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(observer.run())
        yield systemd, observer
        running.cancel()


async def test_a_unit_that_changes_is_looked_at_without_being_asked_for() -> None:
    async with observing() as (systemd, observer):
        await systemd.enqueue(Verb.START, WEB)
        await asyncio.sleep(1.0)
        assert observer.units[WEB].active == "active"
        assert observer.details[WEB].since is not None


async def test_a_unit_that_changes_while_another_look_is_under_way_is_looked_at_next() -> None:
    async with observing() as (systemd, observer):
        for name in UNITS:
            await systemd.enqueue(Verb.START, name)
        await asyncio.sleep(1.0)
        systemd.latency = 1.0
        async with asyncio.TaskGroup() as group:
            group.create_task(observer.refresh())
            await asyncio.sleep(0.5)
            systemd.fail(CACHE)  # The look that this calls for waits for the refresh,
            await asyncio.sleep(1.0)  # which has seen it too by now, and asks why;
            systemd.fail(WEB)  # these come too late for the one,
            systemd.fail(DB)  # and the other has been called for already.
        await asyncio.sleep(10.0)
        assert {name: status.active for name, status in observer.units.items()} == dict.fromkeys(UNITS, "failed")


async def test_why_a_unit_failed_is_known() -> None:
    async with observing() as (systemd, observer):
        await systemd.enqueue(Verb.START, WEB)
        await asyncio.sleep(1.0)
        systemd.fail(WEB, "watchdog")
        await asyncio.sleep(1.0)
        assert observer.details[WEB].result == "watchdog"


async def test_catching_up_waits_for_a_look_that_began_later() -> None:
    async with observing() as (systemd, observer):
        systemd.latency = 1.0
        await systemd.enqueue(Verb.START, WEB)
        await observer.catch_up(WEB)
        assert observer.units[WEB].active == "active"


async def test_catching_up_ends_when_systemd_is_away() -> None:
    async with observing() as (systemd, observer):
        systemd.disconnect()
        async with asyncio.timeout(1.0):
            await observer.catch_up(WEB)


async def test_units_that_are_no_longer_watched_are_forgotten() -> None:
    async with observing() as (systemd, observer):
        observer.watch({DB})
        await systemd.enqueue(Verb.START, WEB)
        await asyncio.sleep(1.0)
        assert set(observer.units) == {DB}
        observer.watch({DB, WEB})
        await observer.refresh()
        assert observer.units[WEB].active == "active"


async def test_a_name_that_systemd_does_not_know_is_seen_as_nowhere() -> None:
    async with observing() as (_, observer):
        observer.watch({UnitName("none.service")})
        await observer.refresh()
        assert observer.units == {"none.service": NOWHERE}
