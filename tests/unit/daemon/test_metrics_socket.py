"""A scheduler's metrics on their way to its host's API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fleetpy.daemon.metrics_socket import read_metrics, serve_metrics

if TYPE_CHECKING:
    from pathlib import Path


async def test_whoever_connects_is_told_all_as_it_is_then(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    told = [b"one 1\n", b"two 2\n" * 100_000]
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve_metrics(path, lambda: told.pop(0)))
        while not path.exists():  # noqa: ASYNC110 - a file gives no event
            await asyncio.sleep(0)
        assert await read_metrics(path) == b"one 1\n"
        assert len(await read_metrics(path)) == 600_000
        serving.cancel()


async def test_a_host_without_a_scheduler_tells_nothing(tmp_path: Path) -> None:
    assert await read_metrics(tmp_path / "metrics.sock") == b""
