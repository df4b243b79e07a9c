"""uvicorn, fitted to a daemon: sockets from outside, signals left alone, the peer known, errors as JSON."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleetpy_api.errors import error_body
from fleetpy_api.front import SERVER
from fleetpy_api.peers import describe_peer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

GRACE = 3
"""Seconds that open requests have to end in when the server is told to."""
MAX_HEAD = 256 * 1024
"""Bytes that a request's line and headers may take: the names of some thousand units in a query."""


class Protocol(H11Protocol):
    """A connection.

    The state of its requests' scopes has `peer`, who is at the other end, and `cut`, which ends the connection at once.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Find out who has connected."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "peer": describe_peer(transport), "cut": transport.abort}

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the form that all errors have."""
        headers = [("content-type", "application/json"), ("connection", "close"), ("server", SERVER)]
        events = (
            h11.Response(status_code=HTTPStatus.BAD_REQUEST, headers=headers, reason=b"Bad Request"),
            h11.Data(data=error_body(HTTPStatus.BAD_REQUEST, f"the request cannot be read: {msg}")),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """A server that ends when it is told to, not on signals: `fleetpy.daemon.run` answers those.

    `ending` is called first thing at the end: whatever is open for good has to close then.
    """

    def __init__(self, app: ASGIApp, ending: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=GRACE,
                h11_max_incomplete_event_size=MAX_HEAD,
            )
        )
        self._ending = ending
        self._told = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def main_loop(self) -> None:
        """Wait to be told to end; uvicorn's own loop wakes ten times a second for what is not used here."""
        await self._told.wait()

    async def run_on(self, listeners: list[socket.socket]) -> None:
        """Serve until `stop` or cancellation; open requests then have `GRACE` seconds to end in.

        Takes the listeners over and closes them.
        """
        # Cancellation must not reach the server itself, which would drop its connections mid-answer.
        serving = asyncio.ensure_future(self.serve(listeners))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.stop()
            await serving
            raise

    def stop(self) -> None:
        """Take no more connections, let the open requests end, and end."""
        self._ending()
        self.should_exit = True
        self._told.set()
