"""Renewing leases: in virtual time, and for the thread in real time, of which it needs a second or two."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.errors import UnavailableError
from fleetpy.ids import NO_LEASE, LeaseID
from fleetpy.registry.lease import LeaseKeeper, LeaseStatus, Renewer, boot_time
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from tests.support.faulty import FaultyRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TTL = 9.0


@asynccontextmanager
async def running(holder: Renewer | LeaseKeeper) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(holder.run())
        yield
        task.cancel()


class Virtual:
    def __init__(self) -> None:
        clock = asyncio.get_running_loop().time
        self.store = MemoryStore(clock)
        self.registry = FaultyRegistry(MemoryRegistry(self.store), random.Random(0))  # noqa: S311 - not a secret
        self.renewer = Renewer(self.registry, TTL, clock)

    def lives(self, lease: LeaseID) -> bool:
        self.store.expire()
        return lease in self.store.leases


@pytest.mark.looptime(noop_cycles=1)
async def test_a_held_lease_is_renewed_for_as_long_as_it_is_held() -> None:
    virtual = Virtual()
    async with running(virtual.renewer):
        lease = await virtual.renewer.grant()
        await asyncio.sleep(1000)
        assert virtual.lives(lease)
    await asyncio.sleep(TTL + 1)
    assert not virtual.lives(lease)


@pytest.mark.looptime(noop_cycles=1)
async def test_the_deadline_is_never_later_than_the_stores_own() -> None:
    virtual = Virtual()
    async with running(virtual.renewer):
        assert virtual.renewer.status == LeaseStatus(NO_LEASE, -math.inf)
        lease = await virtual.renewer.grant()
        for _ in range(100):
            await asyncio.sleep(0.71)
            status, own = virtual.renewer.status, virtual.store.next_expiry()
            assert own is not None
            assert status.lease == lease
            assert status.deadline == pytest.approx(own, abs=0.01)
            assert status.deadline <= own
            assert status.deadline - virtual.renewer.now() > TTL / 2


@pytest.mark.looptime(noop_cycles=1)
async def test_who_listens_is_told_each_renewal_and_the_end() -> None:
    virtual = Virtual()
    told: list[LeaseStatus] = []
    virtual.renewer.listeners.append(told.append)
    async with running(virtual.renewer):
        lease = await virtual.renewer.grant()
        await asyncio.sleep(5 * TTL)
        assert 15 <= len(told) <= 20
        assert {status.lease for status in told} == {lease}
        assert [status.deadline for status in told] == sorted(status.deadline for status in told)
        assert told[-1] == virtual.renewer.status
        await virtual.registry.revoke_lease(lease)
        await asyncio.sleep(TTL)
        assert told[-1] == LeaseStatus()


@pytest.mark.looptime(noop_cycles=1)
async def test_a_short_outage_costs_no_lease_and_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    virtual = Virtual()
    async with running(virtual.renewer):
        lease = await virtual.renewer.grant()
        for _ in range(20):
            await asyncio.sleep(7)
            await virtual.registry.cut(off=True)
            await asyncio.sleep(4)
            await virtual.registry.cut(off=False)
            await asyncio.sleep(1)
            assert virtual.lives(lease)
            assert [entry.levelname for entry in caplog.records] == ["WARNING", "INFO"]
            caplog.clear()


@pytest.mark.looptime(noop_cycles=1)
async def test_a_lease_that_expired_in_an_outage_is_lost_and_another_can_be_held() -> None:
    virtual = Virtual()
    async with running(virtual.renewer):
        lease = await virtual.renewer.grant()
        await virtual.registry.cut(off=True)
        async with asyncio.TaskGroup() as group:
            lost = group.create_task(virtual.renewer.lost())
            await asyncio.sleep(100)
            assert virtual.renewer.status.lease == lease
            assert virtual.renewer.status.deadline < virtual.renewer.now()
            assert not lost.done()
            await virtual.registry.cut(off=False)
            await asyncio.sleep(1)
            assert lost.done()
        assert virtual.renewer.status == LeaseStatus()
        again = await virtual.renewer.grant()
        await asyncio.sleep(100)
        assert virtual.lives(again)


@pytest.mark.looptime(noop_cycles=1)
async def test_a_lease_is_taken_over_by_a_new_process() -> None:
    virtual = Virtual()
    async with running(virtual.renewer):
        lease = await virtual.renewer.grant()
    await asyncio.sleep(TTL / 2)
    successor = Renewer(virtual.registry, TTL, asyncio.get_running_loop().time)
    async with running(successor):
        assert await successor.adopt(lease)
        await asyncio.sleep(100)
        assert virtual.lives(lease)
        assert successor.status.lease == lease


@pytest.mark.looptime(noop_cycles=1)
async def test_a_lease_that_is_gone_cannot_be_taken_over() -> None:
    virtual = Virtual()
    assert not await virtual.renewer.adopt(LeaseID(4711))
    assert virtual.renewer.status == LeaseStatus()


@pytest.mark.looptime(noop_cycles=1)
async def test_a_new_lease_leaves_the_one_before_to_expire() -> None:
    virtual = Virtual()
    async with running(virtual.renewer):
        first = await virtual.renewer.grant()
        second = await virtual.renewer.grant()
        await asyncio.sleep(2 * TTL)
        assert not virtual.lives(first)
        assert virtual.lives(second)
        assert virtual.renewer.status.lease == second


@pytest.mark.looptime(noop_cycles=1)
async def test_a_revoked_lease_is_gone_at_once() -> None:
    virtual = Virtual()
    async with running(virtual.renewer):
        lease = await virtual.renewer.grant()
        await virtual.renewer.revoke()
        assert not virtual.lives(lease)
        assert virtual.renewer.status == LeaseStatus()
        await virtual.renewer.revoke()
        await asyncio.sleep(100)


def test_the_clock_of_deadlines_goes_on_while_the_host_sleeps() -> None:
    assert boot_time() >= time.monotonic() - 0.001


async def test_a_busy_loop_loses_no_lease() -> None:
    store = MemoryStore()
    keeper = LeaseKeeper(lambda: MemoryRegistry(store), 1.0)
    async with running(keeper):
        lease = await keeper.grant()
        before = keeper.status.deadline
        time.sleep(2.5)  # noqa: ASYNC251 - this is a loop that does not come round
        store.expire()
        assert lease in store.leases
        assert keeper.status.deadline > before + 1
        assert keeper.status.deadline > keeper.now()


async def test_a_thread_takes_over_loses_and_revokes_leases() -> None:
    store = MemoryStore()
    lease = store.grant(1)
    keeper = LeaseKeeper(lambda: MemoryRegistry(store), 1.0)
    assert keeper.status == LeaseStatus()
    async with asyncio.timeout(10), running(keeper):
        assert await keeper.adopt(lease)
        store.revoke(lease)
        await keeper.lost()
        assert not await keeper.adopt(lease)
        again = await keeper.grant()
        assert again in store.leases
        await keeper.revoke()
        assert not store.leases


async def test_a_thread_that_is_ended_leaves_the_lease_and_answers_nothing_more() -> None:
    store = MemoryStore()
    keeper = LeaseKeeper(lambda: MemoryRegistry(store), 60.0)
    async with running(keeper):
        lease = await keeper.grant()
    assert lease in store.leases
    with pytest.raises(UnavailableError, match="has ended"):
        await keeper.grant()


async def test_a_thread_that_is_ended_before_it_began_does_no_harm() -> None:
    async with running(LeaseKeeper(lambda: MemoryRegistry(MemoryStore()), 60.0)):
        pass


async def test_a_thread_that_fails_fails_who_runs_it() -> None:
    def connect() -> MemoryRegistry:
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        await LeaseKeeper(connect, 1.0).run()


async def test_a_question_that_is_open_when_the_thread_is_ended_ends_too() -> None:
    keeper = LeaseKeeper(lambda: MemoryRegistry(MemoryStore()), 60.0)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        async with running(keeper):
            await keeper.grant()
            waiting = group.create_task(keeper.lost())
            await asyncio.wait([waiting], timeout=0.05)
        await asyncio.wait([waiting])
        assert waiting.cancelled()
