"""One client's connection: uvicorn's, with bounds on what a client may keep waiting, and errors in their one form.

uvicorn and h11 bound what a client sends (a head, here `MAX_HEAD`), and hold back a sender who is not read and an
application whose answer nobody reads. Neither bounds the time. Here a connection always waits for one thing:

| it waits for | at most | then |
| --- | --- | --- |
| a request's line and headers, since it was made or the last answer's end | 30 s | 408; closed if nothing came |
| a request's body | 30 s, and a second for each KiB that came | 408 |
| the rest of a body that was answered without it | 30 s | closed |
| its client to read the answer | 60 s | cut off |
| its client to read the last of it, while it is being closed | 10 s | cut off |
| the application | | |

There are at most `MAX_CONNECTIONS`: then a new one takes the place of the one that has asked nothing for longest, and
is refused (503) if all of them ask.
"""

from __future__ import annotations

import logging
import sys
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleetpy_api.errors import error_body
from fleetpy_api.front import SERVER
from fleetpy_api.peers import describe_peer

if TYPE_CHECKING:
    import asyncio

_log = logging.getLogger(__name__)

MAX_HEAD = 256 * 1024
"""Bytes that a request's line and headers may take: the names of some thousand units in a query."""
MAX_CONNECTIONS = 512
"""Half of the files that a service may have open."""
SLOWEST = 1024
"""Bytes a second: what a body that takes longer than its first seconds must come in at."""


class Waits(Enum):
    """What a connection waits for."""

    HEAD = auto()
    BODY = auto()
    REST = auto()
    READER = auto()
    LAST = auto()
    APPLICATION = auto()


PATIENCE = {Waits.HEAD: 30.0, Waits.BODY: 30.0, Waits.REST: 30.0, Waits.READER: 60.0, Waits.LAST: 10.0}
"""Seconds."""

_TOO_LATE = {
    Waits.HEAD: "the request's line and headers have not arrived within {:g} s",
    Waits.BODY: "the request's body arrives too slowly: {:g} s and a second for each KiB are over",
}


class Protocol(H11Protocol):
    """A connection. The state of its requests' scopes has `peer`, who is at the other end."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._waits = Waits.APPLICATION
        self._since = 0.0
        self._received = 0
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def idle_since(self) -> float | None:
        """Since when (the loop's seconds) it has asked nothing; None if it asks, or is being closed."""
        return self._since if self._waits is Waits.HEAD and not self.transport.is_closing() else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Find out who has connected, and whether there is room."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "peer": describe_peer(transport)}
        if len(self.connections) > MAX_CONNECTIONS and not self._make_room():
            words = f"{MAX_CONNECTIONS} clients are being answered by this fleet-api; try again, or ask another host"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, words)
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._set_deadline(None)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent."""
        self._received += len(data)
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._note(anew=True)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._note()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the form that all errors have."""
        # uvicorn calls this while it handles h11's error, which knows more than `msg` says.
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else HTTPStatus.BAD_REQUEST
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            words = f"the request's line and headers are larger than {MAX_HEAD} bytes; ask for fewer names at a time"
        else:
            words = f"the request cannot be read: {str(error or msg).partition(': bytearray')[0]}"
        self._refuse(HTTPStatus(status), words)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer an error in the application's place, and close."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()  # An answer is on its way already.
            return
        body = error_body(status, message)
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
            ("server", SERVER),
        ]
        events = (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _make_room(self) -> bool:
        """Close the connection that has asked nothing for longest; whether there is one."""
        idle = {one: one.idle_since for one in self.connections if isinstance(one, Protocol)}
        longest = min((since for since in idle.values() if since is not None), default=None)
        for one, since in idle.items():
            if since is not None and since == longest:
                one.transport.abort()
                return True
        return False

    def _waits_for(self) -> Waits:
        if self.transport.is_closing():
            return Waits.LAST
        if self.flow.write_paused:
            return Waits.READER
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]  # None before the first
            return Waits.REST if self.conn.their_state is h11.SEND_BODY else Waits.HEAD
        return Waits.BODY if self.cycle.more_body else Waits.APPLICATION

    def _note(self, *, anew: bool = False) -> None:
        """Take the time from now on, if it waits for something else than before."""
        waits = self._waits_for()
        if waits is not self._waits or anew:
            self._waits, self._since, self._received = waits, self.loop.time(), 0
            self._set_deadline(PATIENCE.get(waits))

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._overdue)

    def _overdue(self) -> None:
        waits, patience = self._waits, PATIENCE[self._waits]
        left = self._since + patience + self._received / SLOWEST - self.loop.time()
        if waits is Waits.BODY and left > 0:
            self._set_deadline(left)
            return
        begun, _ = self.conn.trailing_data
        if waits is Waits.BODY or (waits is Waits.HEAD and begun):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, _TOO_LATE[waits].format(patience))
        elif waits in (Waits.HEAD, Waits.REST):
            self.transport.close()
        else:
            if waits is Waits.READER:
                _log.warning("a client was cut off: it has read nothing of its answer for %g s", patience)
            self.transport.abort()
        self._note()
