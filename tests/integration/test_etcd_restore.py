"""A view of an etcd that is restored from a backup, by etcd's own tools, while the view is away."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import Revision
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.protocol import Put
from fleetpy.registry.view import Changes, View
from tests.support.etcd import EtcdServer, free_port, until_answering
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fleetpy.registry.protocol import Registry

PREFIX = "/restore/"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Registry]:
    registry = connect(EtcdSettings(endpoints=(url,), request_timeout=2))
    yield registry
    await registry.close()


@asynccontextmanager
async def following(url: str) -> AsyncIterator[tuple[View[str], list[Changes[str]]]]:
    """A view that runs, and what it tells after its first reading."""
    async with connected(url) as registry, asyncio.TaskGroup() as group:
        view: View[str] = View(registry, PREFIX, lambda entry: entry.value.decode())
        told: list[Changes[str]] = []
        task = group.create_task(view.run())
        await view.synced()
        view.subscribe(told.append)
        yield view, told
        task.cancel()


def key(name: str) -> str:
    return f"{PREFIX}{name}"


@pytest.mark.parametrize("token", ["etcd-cluster", "restored"], ids=["same name", "another name"])
@pytest.mark.parametrize("later", [0, 50], ids=["earlier", "later"])
async def test_a_view_follows_an_etcd_that_was_restored_and_tells_that_it_was(
    tmp_path: Path, later: int, token: str
) -> None:
    """Also when it has passed the revision that was seen last by the time that the view is back."""
    os.chmod(tmp_path, 0o755)  # noqa: PTH101, S103 - etcd in its container reads it
    port = free_port()
    with EtcdServer(port=port, in_memory=False) as first:
        async with Proxy(port) as proxy, connected(first.url) as writer:
            await until_answering(writer)
            # Any etcd that has run for a while has had another election.
            await asyncio.to_thread(first.halt)
            await asyncio.to_thread(first.start_again)
            await until_answering(writer)
            await writer.commit([Put(key("kept"), b"1"), Put(key("changed"), b"old")])
            await asyncio.to_thread(first.save, tmp_path)
            await writer.commit([Put(key("changed"), b"lost"), Put(key("new"), b"lost")])
            last = await writer.commit([Put(key("kept"), b"1")])
            async with following(proxy.url) as (view, told):
                await view.at_least(last)
                await proxy.refuse()
                await asyncio.to_thread(first.halt)
                options = (f"--initial-cluster-token={token}",)
                with EtcdServer(*options, port=port, files=tmp_path, backup=True) as second:
                    async with connected(second.url) as other:
                        await until_answering(other)
                        for _ in range(later):
                            await other.commit([Put("/elsewhere", b"")])
                        waiting = asyncio.ensure_future(view.at_least(Revision(last + 1000)))
                        await proxy.accept()
                        async with asyncio.timeout(30):
                            await waiting
                        assert view.entries == {key("kept"): "1", key("changed"): "old"}
                        (changes,) = told
                        assert changes.set_back
                        assert changes.removed == {key("new")}
                        assert (changes.revision > last) is bool(later)
                        written = await other.commit([Put(key("kept"), b"2")])
                        async with asyncio.timeout(10):
                            await view.at_least(written)
                        assert view.entries[key("kept")] == "2"


async def test_restarts_and_elections_are_no_set_back() -> None:
    with EtcdServer(in_memory=False) as server:
        async with Proxy(server.port) as proxy, connected(server.url) as writer:
            await until_answering(writer)
            async with following(proxy.url) as (view, told):
                for number in range(3):
                    await asyncio.to_thread(server.halt)
                    await asyncio.to_thread(server.start_again)
                    await until_answering(writer)
                    async with asyncio.timeout(10):
                        await view.at_least(await writer.commit([Put(key("a"), b"%d" % number)]))
                assert not any(changes.set_back for changes in told)
