"""The stream of events: one JSON object a line, first how everything is, then what changes.

Each stream keeps only the *names* of what its reader has yet to be told about, and looks at the picture when it writes.
So a reader that is slow is told less often, never something old, and costs no more memory than there are names; one
that does not read at all is cut off (`connection`). The first state and later changes are the same mechanism: at the
start, every name is news.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn, TypeVar

from starlette.responses import StreamingResponse

from fleetpy.errors import UnavailableError
from fleetpy.ids import MachineID, Revision, UnitName
from fleetpy.schemas.fleetpy_v1 import Event
from fleetpy_api.answers import encode
from fleetpy_api.catch_up import catch_up
from fleetpy_api.errors import RefusedError
from fleetpy_api.picture import News
from fleetpy_api.routes import TEXTS, Operation
from fleetpy_api.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from fleetpy_api.picture import Picture
    from fleetpy_api.routes import Routes
    from fleetpy_api.service import Service

T = TypeVar("T")

MEDIA_TYPE = "application/x-ndjson"
HEARTBEAT = 15.0
"""Seconds without news after which a stream says that it is alive."""
CHUNK = 200
"""How many events are written at once."""
PACE = 0.05
"""Seconds between news and the next ones: what happens to a unit meanwhile is told as one event."""
MAX_STREAMS = 256
"""How many streams may be open."""
MAX_REVISION = 2**63 - 1
"""etcd's revisions have 63 bits."""
_DIGITS = re.compile(r"[0-9]{1,20}")


class Stream:
    """What one reader has yet to be told: names of units and ids of machines, oldest news first."""

    def __init__(self, picture: Picture, waiting: Waiting, only: frozenset[UnitName]) -> None:
        self._picture = picture
        self._waiting = waiting
        self._only = only
        self._units: dict[UnitName, None] = {}
        self._machines: dict[MachineID, None] = {}
        self._woken = asyncio.Event()
        self._synced = False
        self._ended = False
        self._next_at = 0.0
        self.mark(only or picture.unit_names(), picture.machine_ids())

    def mark(self, units: Iterable[UnitName], machines: Iterable[MachineID]) -> None:
        """There is news of these."""
        self._units.update(dict.fromkeys(units if not self._only else self._only.intersection(units)))
        self._machines.update(dict.fromkeys(machines))
        self._woken.set()

    def end(self) -> None:
        """Tell no more."""
        self._ended = True
        self._woken.set()

    async def next(self) -> bytes | None:
        """Lines to write: events, or a heartbeat if nothing happens for a while; None at the end."""
        loop = asyncio.get_running_loop()
        while not self._ended:
            if self._units or self._machines:
                if (pause := self._next_at - loop.time()) > 0:
                    await asyncio.sleep(pause)
                lines = b"".join(encode(event) + b"\n" for event in self._take())
                if self._synced and not (self._units or self._machines):
                    self._next_at = loop.time() + PACE
                return lines
            if not self._synced:
                self._synced = True
                return encode(Event("synced", self._picture.revision)) + b"\n"
            self._woken.clear()
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await self._woken.wait()
            except TimeoutError:
                return encode(Event("heartbeat", self._picture.revision)) + b"\n"
        return None

    def _take(self) -> list[Event]:
        picture, revision = self._picture, self._picture.revision
        events = []
        for machine in _some_of(self._machines):
            status = picture.machine(machine)
            events.append(
                Event("machine", revision, machine=status) if status else Event("machine-gone", revision, name=machine)
            )
        for name in _some_of(self._units):
            facts = picture.unit(name)
            if facts is None:
                events.append(Event("unit-gone", revision, name=name))
            else:
                events.append(Event("unit", revision, unit=facts.status(self._waiting.reason(facts))))
        return events


def _some_of(names: dict[T, None]) -> list[T]:
    """Take the oldest names out."""
    taken = list(itertools.islice(names, CHUNK))
    for name in taken:
        del names[name]
    return taken


class Streams:
    """The open streams."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._open: set[Stream] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._ended = False
        self._waiting = Waiting(picture)

    def __len__(self) -> int:
        return len(self._open)

    def open(self, only: frozenset[UnitName]) -> Stream:
        """A stream that speaks of all units, or `only` of some; raises `UnavailableError` if there are too many."""
        if self._ended:
            raise UnavailableError("fleet-api is ending; ask again")
        if len(self._open) >= MAX_STREAMS:
            raise UnavailableError(f"{MAX_STREAMS} streams of events are open already; close some, or ask another host")
        stream = Stream(self._picture, self._waiting, only)
        self._open.add(stream)
        if self._unsubscribe is None:
            self._unsubscribe = self._picture.subscribe(self._tell)
        return stream

    def close(self, stream: Stream) -> None:
        """Forget a stream."""
        self._open.discard(stream)
        if not self._open and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self._waiting.forget()

    def end(self) -> None:
        """End every stream, and open no more."""
        self._ended = True
        for stream in self._open:
            stream.end()

    async def run(self) -> NoReturn:
        """Have units that wait for a machine told of again when the reasons for it change; runs for ever."""
        await self._waiting.run(lambda units: self._tell(News(frozenset(units), frozenset())))

    def _tell(self, news: News) -> None:
        for stream in self._open:
            stream.mark(news.units, news.machines)


class EventResponse(StreamingResponse):
    """The answer that a stream is: written until its reader goes away, or the server ends."""

    def __init__(self, streams: Streams, stream: Stream) -> None:
        super().__init__(_lines(stream), headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)
        self._streams = streams
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI has it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.close(self._stream)


class EventsResource:
    """The resource, wherever it is mounted."""

    def __init__(self, service: Service, streams: Streams) -> None:
        self._service = service
        self._streams = streams

    def install(self, routes: Routes) -> None:
        """Serve `/events`."""
        after = {"type": "integer", "default": 0, "minimum": 0, "maximum": MAX_REVISION}
        query = {"name": TEXTS, "after": after}
        answers = {200: Event}
        routes.add(Operation("GET", "/events", self.events, answers, errors=(400,), query=query, media_type=MEDIA_TYPE))

    async def events(self, request: Request) -> Response:
        """Events, one JSON object a line: how everything is, `synced`, then what changes."""
        after = _revision(request.query_params.get("after", "0"))
        names = request.query_params.getlist("name")
        picture = await self._service.picture()
        if not await catch_up(picture, after):
            raise UnavailableError(f"fleet-api has not seen revision {after} of etcd's yet")
        stream = self._streams.open(frozenset(map(UnitName, names)))
        return EventResponse(self._streams, stream)


async def _lines(stream: Stream) -> AsyncIterator[bytes]:
    while (lines := await stream.next()) is not None:
        yield lines


def _revision(text: str) -> Revision:
    """A revision as the query has it; raises `RefusedError` (400)."""
    if _DIGITS.fullmatch(text) is None or int(text) > MAX_REVISION:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"after is {text!r}; it can be a number from 0 to {MAX_REVISION}")
    return Revision(int(text))
