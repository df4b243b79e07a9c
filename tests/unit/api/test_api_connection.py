"""What a client may keep a connection waiting for, in virtual time, and how many connections there may be."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fleetpy_api.connection import MAX_CONNECTIONS, MAX_HEAD, PATIENCE, SLOWEST, Protocol, Waits
from fleetpy_api.front import MAX_BODIES, MAX_BODY
from fleetpy_api.server import Server
from tests.unit.api.harness import SLEEP, Cluster, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from uvicorn.server import ServerState

pytestmark = pytest.mark.looptime

GET = b"GET /fleet/v1/units/a.service HTTP/1.1\r\nHost: fleet\r\n\r\n"
PUT = b"PUT /fleet/v1/units/a.service HTTP/1.1\r\nHost: fleet\r\nContent-Type: application/json\r\n"
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"


class Wire(asyncio.Transport):
    """A client's end of a connection, in memory; it reads what is written unless it is told not to."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__()
        self.answer = b""
        self.closed_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._reads = True
        self._unread = 0
        self._closing = False
        self._changed = asyncio.Event()
        protocol.connection_made(self)

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self.answer += data
        self._changed.set()
        if not self._reads:
            self._unread += len(data)
            if self._unread > 65536:
                self._protocol.pause_writing()

    def close(self) -> None:
        self._closing = True
        if not self._unread:
            self.abort()

    def abort(self) -> None:
        self._closing = True
        if self.closed_at is None:
            self.closed_at = self._loop.time()
            self._changed.set()
            self._loop.call_soon(self._protocol.connection_lost, None)

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def send(self, data: bytes) -> None:
        """The client sends."""
        if not self._closing:
            self._protocol.data_received(data)

    def stop_reading(self) -> None:
        """The client reads nothing from now on."""
        self._reads = False

    async def closed(self) -> float:
        """Wait until the connection is closed; when that was."""
        await self.until(lambda: self.closed_at is not None)
        await asyncio.sleep(0.1)
        assert self.closed_at is not None
        return self.closed_at

    async def answered(self) -> dict[str, Any]:
        """Wait until there is an answer with a body; the body."""
        await self.until(lambda: self.answer.endswith(b"}"))
        return self.body()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was written, or the connection's end, makes it true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def body(self) -> dict[str, Any]:
        """The last answer's body."""
        body: dict[str, Any] = json.loads(self.answer.rpartition(b"\r\n\r\n")[2])
        return body

    @property
    def status(self) -> int:
        """The first answer's status."""
        return int(self.answer[9:12])


@dataclass(slots=True)
class Host:
    """An API that clients connect to."""

    cluster: Cluster
    server: Server

    @property
    def state(self) -> ServerState:
        """What uvicorn knows of all connections."""
        return self.server.server_state

    def connect(self) -> Wire:
        """A client connects."""
        return Wire(Protocol(config=self.server.config, server_state=self.state, app_state={}))


@asynccontextmanager
async def host() -> AsyncIterator[Host]:
    async with serving() as cluster:
        server = Server(cluster.api.front, ending=cluster.api.streams.end)
        server.config.load()
        await cluster.set("a.service", "inactive", SLEEP)
        yield Host(cluster, server)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        if server.server_state.tasks:
            await asyncio.wait(server.server_state.tasks)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_who_asks_nothing_is_hung_up_on_without_a_word() -> None:
    async with host() as api:
        wire, began = api.connect(), now()
        assert await wire.closed() - began == pytest.approx(PATIENCE[Waits.HEAD])
        assert wire.answer == b""


async def test_a_head_that_comes_by_the_byte_has_the_time_of_a_head() -> None:
    async with host() as api:
        wire, began = api.connect(), now()
        for byte in GET[: int(PATIENCE[Waits.HEAD]) + 5]:
            wire.send(bytes([byte]))
            await asyncio.sleep(1)
        assert await wire.closed() - began == pytest.approx(PATIENCE[Waits.HEAD])
        assert wire.status == 408
        assert wire.body()["error"]["message"] == "the request's line and headers have not arrived within 30 s"


async def test_an_answer_gives_the_next_request_its_own_time() -> None:
    async with host() as api:
        wire = api.connect()
        await asyncio.sleep(20)
        wire.send(GET)
        assert (await wire.answered())["name"] == "a.service"
        await asyncio.sleep(20)
        wire.send(GET)
        answered = now()
        assert await wire.closed() - answered == pytest.approx(PATIENCE[Waits.HEAD], abs=0.5)
        assert wire.answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_body_that_trickles_in_is_refused() -> None:
    async with host() as api:
        wire, began = api.connect(), now()
        wire.send(PUT + b"Content-Length: 1000\r\n\r\n")
        while wire.closed_at is None:
            wire.send(b" ")
            await asyncio.sleep(1)
        assert wire.closed_at - began == pytest.approx(PATIENCE[Waits.BODY], abs=1)
        assert wire.status == 408
        assert wire.body()["error"]["message"].startswith("the request's body arrives too slowly: 30 s and a second")
        assert api.cluster.api.front.bodies == 0


async def test_a_large_body_has_the_time_that_it_takes() -> None:
    async with host() as api:
        wire = api.connect()
        body = b'{"desiredState": "loaded"' + b" " * SLOWEST * 60 + b"}"
        wire.send(PUT + b"Content-Length: %d\r\n\r\n" % len(body))
        step = SLOWEST * 3 // 2
        for start in range(0, len(body), step):
            wire.send(body[start : start + step])
            await asyncio.sleep(1.4)
        assert wire.status == 204
        assert now() > PATIENCE[Waits.BODY]


async def test_the_rest_of_a_body_that_nobody_wants_has_its_time_too() -> None:
    async with host() as api:
        wire = api.connect()
        wire.send(b"PUT /nothing HTTP/1.1\r\nHost: fleet\r\nTransfer-Encoding: chunked\r\n\r\n")
        await wire.answered()
        assert wire.status == 404
        began = now()
        while wire.closed_at is None:
            wire.send(b"1\r\n \r\n")
            await asyncio.sleep(1)
        assert wire.closed_at - began == pytest.approx(PATIENCE[Waits.REST], abs=1)


async def test_who_does_not_read_the_answer_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async with host() as api:
        options = [{"section": "Unit", "name": "Description", "value": "x" * 100_000}, *SLEEP]
        await api.cluster.set("a.service", options=options)
        wire, began = api.connect(), now()
        wire.stop_reading()
        wire.send(GET * 3)
        assert await wire.closed() - began == pytest.approx(PATIENCE[Waits.READER], abs=0.5)
        assert "a client was cut off: it has read nothing of its answer for 60 s" in caplog.text
        assert api.cluster.api.activity.open == 0


async def test_a_stream_that_nobody_reads_is_cut_off() -> None:
    async with host() as api:
        await api.cluster.change(
            *({"name": f"{i:0240}.service", "options": SLEEP, "desiredState": "inactive"} for i in range(300))
        )
        wire, began = api.connect(), now()
        wire.stop_reading()
        wire.send(b"GET /fleetpy/v1/events HTTP/1.1\r\nHost: fleet\r\n\r\n")
        assert await wire.closed() - began == pytest.approx(PATIENCE[Waits.READER], abs=0.5)
        assert len(api.cluster.api.streams) == 0


async def test_a_stream_that_is_read_has_all_the_time() -> None:
    async with host() as api:
        wire = api.connect()
        wire.send(b"GET /fleetpy/v1/events HTTP/1.1\r\nHost: fleet\r\n\r\n")
        await asyncio.sleep(1000)
        assert wire.closed_at is None
        assert wire.answer.count(b"heartbeat") > 50


async def test_who_does_not_read_the_last_answer_is_cut_off_soon() -> None:
    async with host() as api:
        wire, began = api.connect(), now()
        wire.stop_reading()
        wire.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert await wire.closed() - began == pytest.approx(PATIENCE[Waits.LAST], abs=0.5)


async def test_a_new_client_takes_the_place_of_the_one_that_has_asked_nothing_for_longest() -> None:
    async with host() as api:
        wires = []
        for _ in range(MAX_CONNECTIONS):
            wires.append(api.connect())
            await asyncio.sleep(0.01)
        wires[0].send(GET)
        await wires[0].answered()
        late = api.connect()
        assert (wires[0].closed_at, wires[2].closed_at) == (None, None)
        assert await wires[1].closed() > 0
        late.send(GET)
        assert (await late.answered())["name"] == "a.service"
        assert len(api.state.connections) == MAX_CONNECTIONS


async def test_while_all_clients_are_being_answered_a_new_one_is_refused() -> None:
    async with host() as api:
        for _ in range(MAX_CONNECTIONS):
            api.connect().send(CHUNKED)
        late = api.connect()
        assert late.status == 503
        assert late.body()["error"]["message"].startswith("512 clients are being answered by this fleet-api; try again")
        await late.closed()
        assert len(api.state.connections) == MAX_CONNECTIONS


async def test_bodies_are_bounded_all_together() -> None:
    async with host() as api:
        full = [api.connect() for _ in range(MAX_BODIES // MAX_BODY)]
        chunk = b"%x\r\n%s\r\n" % (MAX_BODY // 4, b" " * (MAX_BODY // 4))
        for wire in full:
            wire.send(CHUNKED)
            for _ in range(4):
                wire.send(chunk)
                await asyncio.sleep(0.01)
        assert [wire.answer for wire in full] == [b""] * len(full)
        late = api.connect()
        late.send(CHUNKED + b"1\r\n \r\n")
        await late.answered()
        assert late.status == 503
        assert "bytes at once, by all who ask; try again" in late.body()["error"]["message"]
        for wire in full:
            wire.abort()
        await asyncio.sleep(1)
        assert api.cluster.api.front.bodies == 0


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, "the request cannot be read: illegal request line"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "the request cannot be read: Missing mandatory Host: header"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3 * MAX_HEAD,
            431,
            f"larger than {MAX_HEAD} bytes; ask for fewer",
        ),
        (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "the request cannot be read: illegal request line"),
        (PUT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, "conflicting Content-Length headers"),
        (PUT + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "both a Content-Length and"),
        (PUT + b"Content-Length: -1\r\n\r\n", 400, "bad Content-Length"),
        (PUT + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "bad Content-Length"),
        (PUT + b"Content-Length: " + b"9" * 20 + b"\r\n\r\n", 413, f"larger than {MAX_BODY} bytes"),
        (PUT + b"Transfer-Encoding: gzip\r\n\r\n", 501, "Only Transfer-Encoding: chunked is supported"),
        (CHUNKED + b"zz\r\n", 400, "illegal chunk header"),
        (CHUNKED + b"f" * 30 + b"\r\n", 400, "illegal chunk header"),
        (CHUNKED + b"1\r\n[\r\n0\r\n\r\n", 400, "the body is not JSON"),
        (CHUNKED + b"186a0\r\n" + b"[" * 100_000 + b"\r\n0\r\n\r\n", 400, "the body is nested too deeply"),
        (CHUNKED + b"4\r\n\xff\xff\xff\xff\r\n0\r\n\r\n", 400, "the body is not JSON: 'utf-8' codec can't decode"),
    ],
)
async def test_what_cannot_be_read_is_answered_in_the_one_form(request_: bytes, status: int, words: str) -> None:
    async with host() as api:
        wire = api.connect()
        wire.send(request_)
        error = (await wire.answered())["error"]
        assert (wire.status, error["code"]) == (status, status)
        assert words in error["message"]
        assert "bytearray" not in error["message"]


async def test_rubbish_behind_a_stream_ends_it_quietly() -> None:
    async with host() as api:
        wire = api.connect()
        wire.send(b"GET /fleetpy/v1/events HTTP/1.1\r\nHost: fleet\r\nTransfer-Encoding: chunked\r\n\r\n")
        await wire.until(lambda: b"synced" in wire.answer)
        wire.send(b"rubbish\r\n")
        await wire.closed()
        await asyncio.sleep(1)
        assert len(api.cluster.api.streams) == 0


@pytest.mark.parametrize("method", [b"PUT /fleet/v1/units/a.service", b"PATCH /fleet/v1/machines"])
async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_defect(
    method: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with host() as api:
        wire = api.connect()
        wire.send(method + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[")
        await asyncio.sleep(0.1)
        wire.abort()
        await asyncio.sleep(0.1)
        assert caplog.text == ""
        assert api.cluster.api.activity.open == 0


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with host() as api:
        wire = api.connect()
        wire.send(GET + GET.replace(b"a.service", b"b.service") + b"rubbish\r\n\r\n")
        await wire.closed()
        statuses = [part[:3] for part in wire.answer.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"200", b"404", b"400"]
