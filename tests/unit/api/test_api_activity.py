"""When a socket-activated API may end."""

from __future__ import annotations

import asyncio

import pytest

from fleetpy_api.activity import Activity

pytestmark = pytest.mark.looptime


async def idle_after(activity: Activity, seconds: float) -> float:
    await activity.idle(seconds)
    return asyncio.get_running_loop().time()


async def test_without_requests_it_is_idle_after_the_time() -> None:
    assert await idle_after(Activity(), 300) == pytest.approx(300)


async def test_a_request_starts_the_time_anew_when_it_ends() -> None:
    activity = Activity()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(idle_after(activity, 300))
        await asyncio.sleep(200)
        with activity.request():
            await asyncio.sleep(400)
    assert waiting.result() == pytest.approx(900)


async def test_an_open_request_among_others_keeps_it_up() -> None:
    activity = Activity()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(idle_after(activity, 300))
        with activity.request():
            await asyncio.sleep(100)
            with activity.request():
                await asyncio.sleep(1)
            assert activity.open == 1
            await asyncio.sleep(899)
    assert waiting.result() == pytest.approx(1300)


async def test_a_request_at_the_last_moment_counts() -> None:
    activity = Activity()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(idle_after(activity, 300))
        await asyncio.sleep(300)
        with activity.request():
            pass
    assert waiting.result() >= 300
