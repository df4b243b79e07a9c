"""Jobs of systemd: how many at once, how they end, what replaces what."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import UnitName
from fleetpy_agent.jobs import AT_ONCE, DEADLINE, LOST, MOST, OVERDUE, PATIENCE, WITHHELD, Jobs, Outcome
from fleetpy_agent.memory_files import MemoryFiles
from fleetpy_agent.systemd.memory import MemorySystemd
from fleetpy_agent.systemd.protocol import SystemdAwayError, SystemdRefusedError, Verb
from fleetpy_agent.systemd.simulated import Behaviour
from tests.unit.agent.harness import DB, WEB, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime
HANGS = Behaviour(start=None, stop=None)


class Told:
    """What a listener was told."""

    def __init__(self) -> None:
        self.queued: list[tuple[str, Verb]] = []
        self.ended: list[tuple[str, Outcome]] = []

    def job_queued(self, name: UnitName, verb: Verb) -> None:
        self.queued.append((name, verb))

    def job_ended(self, name: UnitName, outcome: Outcome) -> None:
        self.ended.append((name, outcome))


async def at_once(_: UnitName) -> None:
    """Nothing to catch up with."""


class Bench:
    """A systemd with units that are loaded, and jobs for them."""

    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.systemd = MemorySystemd(self.files.read)
        self.told = Told()
        self.may_start = True
        self.jobs = Jobs(self.systemd, self.told, at_once, lambda: self.may_start)

    async def load(self, *names: str) -> list[UnitName]:
        units = [UnitName(name) for name in names]
        for name in units:
            self.files.write(name, text(), "")
        await self.systemd.link([self.files.unit_file(name) for name in units])
        return units

    async def compare(self) -> None:
        """Look at systemd, and tell the jobs."""
        asked = self.jobs.asked
        self.jobs.compare(await self.systemd.statuses(self.jobs.queued), asked)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.load(WEB, DB)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.jobs.run())
        await asyncio.sleep(0)
        yield made
        running.cancel()


async def test_a_job_is_told_of_when_it_is_queued_and_when_it_has_ended() -> None:
    async with bench() as made:
        made.systemd.behaviours[WEB] = Behaviour(start=3.0)
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(2.0)
        assert (made.told.queued, made.told.ended) == ([(WEB, Verb.START)], [])
        assert made.jobs.under_way == {WEB: Verb.START}
        await asyncio.sleep(2.0)
        assert made.told.ended == [(WEB, Outcome(Verb.START, "done"))]
        assert made.jobs.under_way == {}


async def test_where_nothing_may_start_now_systemd_is_asked_for_stops_only() -> None:
    async with bench() as made:
        made.systemd.usual = Behaviour(start=1.0)
        names = await made.load(*(f"u{number}.service" for number in range(AT_ONCE + 1)))
        for name in names:
            made.jobs.submit(Verb.START, name)
        await asyncio.sleep(0.5)
        made.may_start = False  # The last one still waits for its turn.
        made.jobs.submit(Verb.RESTART, DB)
        made.jobs.submit(Verb.STOP, WEB)
        await asyncio.sleep(2.0)
        ended = dict(made.told.ended)
        assert (ended[names[0]].result, ended[names[-1]].result, ended[DB].result) == ("done", WITHHELD, WITHHELD)
        assert (WEB, Verb.STOP) in made.told.queued
        assert (names[-1], Verb.START) not in made.told.queued


async def test_jobs_under_way_are_bounded() -> None:
    async with bench() as made:
        names = await made.load(*(f"u{number}.service" for number in range(50)))
        made.systemd.usual = Behaviour(start=1.0)
        for name in names:
            made.jobs.submit(Verb.START, name)
        for _ in range(60):
            await asyncio.sleep(0.1)
            starting = [status for status in (await made.systemd.statuses(names)).values() if status.job]
            assert len(starting) <= AT_ONCE
        assert len(made.told.ended) == 50


async def test_a_job_that_takes_long_makes_room_for_others() -> None:
    async with bench() as made:
        made.systemd.usual = HANGS
        for name in await made.load(*(f"u{number}.service" for number in range(AT_ONCE))):
            made.jobs.submit(Verb.START, name)
        made.systemd.behaviours[WEB] = Behaviour()
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(PATIENCE - 1)
        assert made.told.ended == []
        await asyncio.sleep(2.0)
        assert made.told.ended == [(WEB, Outcome(Verb.START, "done"))]


async def test_jobs_in_systemd_s_queue_never_come_near_what_the_bus_bears() -> None:
    async with bench() as made:
        made.systemd.usual = Behaviour(start=None)
        names = await made.load(*(f"u{number}.service" for number in range(MOST + 50)))
        for name in names:
            made.jobs.submit(Verb.START, name)
        await asyncio.sleep(500.0)
        assert len(made.jobs.queued) <= MOST + AT_ONCE
        made.jobs.submit(Verb.STOP, names[0])
        await asyncio.sleep(1.0)
        assert (names[0], Verb.STOP) in made.told.queued


async def test_a_job_that_does_not_end_is_no_longer_waited_for() -> None:
    async with bench() as made:
        made.systemd.behaviours[WEB] = HANGS
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(DEADLINE + 1)
        assert made.told.ended == [(WEB, Outcome(Verb.START, OVERDUE))]
        assert made.jobs.under_way == {}
        assert made.jobs.queued == {WEB}


async def test_the_same_wish_twice_is_one() -> None:
    async with bench() as made:
        made.systemd.behaviours[WEB] = Behaviour(start=1.0)
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(0.5)
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(5.0)
        assert made.told.queued == [(WEB, Verb.START)]
        assert made.systemd.history.count("start web.service") == 1


async def test_a_newer_wish_takes_the_place_of_one_that_waits() -> None:
    async with bench() as made:
        made.systemd.usual = HANGS
        for name in await made.load(*(f"u{number}.service" for number in range(AT_ONCE))):
            made.jobs.submit(Verb.START, name)
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(1.0)
        made.jobs.submit(Verb.STOP, WEB)
        await asyncio.sleep(20.0)
        assert [told for told in made.told.queued if told[0] == WEB] == [(WEB, Verb.STOP)]


async def test_a_newer_wish_takes_the_place_of_one_that_hangs() -> None:
    async with bench() as made:
        made.systemd.behaviours[WEB] = Behaviour(start=None)
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(1.0)
        made.jobs.submit(Verb.STOP, WEB)
        await asyncio.sleep(1.0)
        assert made.told.ended == [(WEB, Outcome(Verb.STOP, "done"))]
        assert made.jobs.queued == frozenset()


async def test_a_job_that_is_refused_says_why() -> None:
    async with bench() as made:
        made.systemd.behaviours[WEB] = Behaviour(refuses="BadUnitSetting")
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(1.0)
        ((name, outcome),) = made.told.ended
        assert (name, outcome.result, made.told.queued) == (WEB, "refused", [])
        assert isinstance(outcome.error, SystemdRefusedError)


async def test_a_job_is_not_taken_while_systemd_is_away() -> None:
    async with bench() as made:
        made.systemd.disconnect()
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(1.0)
        ((name, outcome),) = made.told.ended
        assert (name, outcome.result) == (WEB, "away")
        assert isinstance(outcome.error, SystemdAwayError)


async def test_a_job_whose_end_was_not_heard_of_ends_when_systemd_no_longer_shows_it() -> None:
    async with bench() as made:
        made.systemd.behaviours[WEB] = Behaviour(start=2.0)
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(1.0)
        await made.compare()
        assert made.told.ended == []
        made.systemd.disconnect()
        await asyncio.sleep(5.0)
        made.systemd.reconnect()
        await made.compare()
        await asyncio.sleep(1.0)
        assert made.told.ended == [(WEB, Outcome(Verb.START, LOST))]


async def test_a_job_that_was_asked_for_after_the_reading_is_not_missed_in_it() -> None:
    async with bench() as made:
        asked = made.jobs.asked
        before = await made.systemd.statuses([WEB])
        made.systemd.behaviours[WEB] = Behaviour(start=5.0)
        made.jobs.submit(Verb.START, WEB)
        await asyncio.sleep(1.0)
        made.jobs.compare(before, asked)
        await asyncio.sleep(1.0)
        assert made.told.ended == []


async def test_settling_goes_on_while_some_of_them_end() -> None:
    async with bench() as made:
        names = await made.load(*(f"u{number}.service" for number in range(5)))
        for number, name in enumerate(names):
            made.systemd.behaviours[name] = Behaviour(start=0.4 * (number + 1))
            made.jobs.submit(Verb.START, name)
        await made.jobs.settle(names, quiet=0.5, longest=10.0)
        assert made.jobs.under_way == {}


async def test_settling_ends_when_none_of_them_does() -> None:
    async with bench() as made:
        made.systemd.behaviours[WEB] = HANGS
        made.jobs.submit(Verb.START, WEB)
        made.jobs.submit(Verb.START, DB)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await made.jobs.settle([WEB, DB], quiet=0.5, longest=10.0)
        assert loop.time() - began == pytest.approx(0.5, abs=0.2)
        assert made.jobs.under_way == {WEB: Verb.START}


async def test_settling_ends_at_the_latest_when_it_was_told_to() -> None:
    async with bench() as made:
        names = await made.load(*(f"u{number}.service" for number in range(30)))
        for number, name in enumerate(names):
            made.systemd.behaviours[name] = Behaviour(start=0.4 * (number + 1))
            made.jobs.submit(Verb.START, name)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await made.jobs.settle(names, quiet=0.5, longest=3.0)
        assert loop.time() - began == pytest.approx(3.0, abs=0.1)
