"""The API behind real sockets: who asks, what is no HTTP, streams to their end, slow readers."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.responses import JSONResponse

from fleetpy import __version__
from fleetpy_api.listen import open_socket
from fleetpy_api.server import Server
from tests.unit.api.harness import M1, SLEEP, Cluster, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request


@asynccontextmanager
async def listening(*listeners: socket.socket) -> AsyncIterator[tuple[Cluster, Server]]:
    """A cluster whose API is served on sockets for as long as the context lasts."""
    async with serving() as cluster, asyncio.TaskGroup() as group:
        server = Server(cluster.api.front, ending=cluster.api.streams.end)
        group.create_task(server.run_on(list(listeners)))
        yield cluster, server
        server.stop()


def client(listener: socket.socket) -> httpx.AsyncClient:
    name = listener.getsockname()
    if isinstance(name, str):
        return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=name), base_url="http://fleet", timeout=20)
    return httpx.AsyncClient(base_url=f"http://{name[0]}:{name[1]}", timeout=20)


async def create(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.put(f"/fleet/v1/units/{name}", json={"desiredState": "launched", "options": SLEEP})
    assert answer.status_code == 201


async def test_on_a_unix_socket_the_user_who_asks_is_known(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with listening(listener) as (cluster, _), client(listener) as http:
        await create(http, "a.service")
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.changed_by == f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"


async def test_on_tcp_the_address_that_asks_is_known() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    async with listening(listener) as (cluster, _), client(listener) as http:
        await create(http, "a.service")
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.changed_by == "127.0.0.1"


async def test_several_sockets_are_served(tmp_path: Path) -> None:
    unix, tcp = open_socket(tmp_path / "s"), socket.create_server(("127.0.0.1", 0))
    async with listening(unix, tcp), client(unix) as one, client(tcp) as other:
        await create(one, "a.service")
        assert (await other.get("/fleet/v1/units/a.service")).status_code == 200


async def test_the_server_names_itself_and_tells_the_date_once(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with listening(listener), client(listener) as http:
        answer = await http.get("/bogus")
        assert answer.headers.get_list("Server") == [f"fleetpy/{__version__}"]
        assert len(answer.headers.get_list("Date")) == 1


async def test_what_is_no_http_is_400_in_the_one_form(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with listening(listener):
        reader, writer = await asyncio.open_unix_connection(listener.getsockname())
        writer.write(b"nonsense\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request")
        assert b"content-type: application/json" in head
        assert json.loads(body)["error"]["code"] == 400
        writer.close()
        await writer.wait_closed()


async def lines(answer: httpx.Response, until: str) -> list[dict[str, Any]]:
    """Events up to the first of that type."""
    found = []
    async for line in answer.aiter_lines():
        found.append(json.loads(line))
        if found[-1]["type"] == until:
            return found
    raise AssertionError(f"the stream ended after {found}")


async def test_a_stream_tells_as_it_happens_and_ends_with_its_reader(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with listening(listener) as (cluster, _), client(listener) as http:
        await create(http, "a.service")
        async with http.stream("GET", "/fleetpy/v1/events", params={"after": cluster.store.revision}) as answer:
            assert answer.headers["Content-Type"] == "application/x-ndjson"
            assert [event["type"] for event in await lines(answer, "synced")] == ["unit", "synced"]
            assert (len(cluster.api.streams), cluster.api.activity.open) == (1, 1)
        await cluster.api.activity.idle(0)
        assert len(cluster.api.streams) == 0


async def test_a_stream_goes_on_telling(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with (
        listening(listener) as (cluster, _),
        client(listener) as http,
        http.stream("GET", "/fleetpy/v1/events") as answer,
    ):
        stream = answer.aiter_lines()
        assert json.loads(await anext(stream))["type"] == "synced"
        await create(http, "a.service")
        assert json.loads(await anext(stream))["unit"]["name"] == "a.service"
        await cluster.join(M1)
        assert json.loads(await anext(stream))["machine"]["id"] == M1


async def test_streams_end_well_when_the_server_ends(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with (
        listening(listener) as (_, server),
        client(listener) as http,
        http.stream("GET", "/fleetpy/v1/events") as answer,
    ):
        stream = answer.aiter_lines()
        assert json.loads(await anext(stream))["type"] == "synced"
        server.stop()
        assert [line async for line in stream] == []


async def test_open_requests_are_answered_before_the_end(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with listening(listener) as (cluster, server), client(listener) as http:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow(_request: Request) -> JSONResponse:
            entered.set()
            await leave.wait()
            return JSONResponse({"well": "done"})

        cluster.api.app.add_route("/slow", slow)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(http.get("/slow"))
            await entered.wait()
            server.stop()
            leave.set()
        assert asking.result().json() == {"well": "done"}


async def test_cancelling_the_server_ends_it_as_well(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "s")
    async with serving() as cluster:
        server = Server(cluster.api.front, ending=cluster.api.streams.end)
        async with asyncio.TaskGroup() as group, client(listener) as http:
            running = group.create_task(server.run_on([listener]))
            await create(http, "a.service")
            running.cancel()
        assert running.cancelled()
        with pytest.raises(OSError, match=r"closed file|Bad file"):
            listener.getsockname()
