"""uvicorn, fitted to a daemon: sockets from outside, signals left alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import uvicorn

from fleetpy_api.connection import MAX_HEAD, Protocol
from fleetpy_api.doorman import Doorman
from fleetpy_api.errors import error_response
from fleetpy_api.front import SERVER
from fleetpy_api.tls import asks_for_certificate

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from starlette.responses import Response
    from starlette.types import ASGIApp

GRACE = 3
"""Seconds that open requests have to end in when the server is told to."""


class PlainProtocol(Protocol):
    """A connection without TLS where that is spoken: every request is refused."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Refuse."""
        super().connection_made(transport)
        self.app = _refusal("TLS is spoken at this address: write https:// in place of http://")


class KnownProtocol(Protocol):
    """A connection with TLS, for clients that have shown a certificate: requests of others are refused."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """See who it is."""
        super().connection_made(transport)
        if not transport.get_extra_info("peercert"):
            self.app = _refusal(
                "this address serves clients with a certificate alone: "
                "give fleetctl one with --cert-file, and its key with --key-file"
            )


def _refusal(message: str) -> Response:
    return error_response(HTTPStatus.BAD_REQUEST, message, {"Server": SERVER, "Connection": "close"})


class Server(uvicorn.Server):
    """A server that ends when it is told to, not on signals: `fleetpy.daemon.run` answers those.

    `ending` is called first thing at the end: whatever is open for good has to close then. With `tls` that is spoken on
    sockets of TCP.
    """

    def __init__(self, app: ASGIApp, ending: Callable[[], None], tls: ssl.SSLContext | None = None) -> None:
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
        # What a client does wrong it is told; it must not fill the log too.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._ending = ending
        self._told = asyncio.Event()
        self._tls = tls
        self._guarded: list[socket.socket] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def main_loop(self) -> None:
        """Wait to be told to end; uvicorn's own loop wakes ten times a second for what is not used here."""
        async with asyncio.TaskGroup() as group:
            doorman = group.create_task(self._doorman(self._tls).run(self._guarded)) if self._tls else None
            await self._told.wait()
            if doorman is not None:
                doorman.cancel()

    async def run_on(self, listeners: list[socket.socket]) -> None:
        """Serve until `stop` or cancellation; open requests then have `GRACE` seconds to end in.

        Takes the listeners over and closes them.
        """
        self._guarded = [listener for listener in listeners if self.encrypts(listener)]
        # Cancellation must not reach the server itself, which would drop its connections mid-answer.
        serving = asyncio.ensure_future(self.serve([listener for listener in listeners if not self.encrypts(listener)]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.stop()
            await serving
            raise

    def encrypts(self, listener: socket.socket) -> bool:
        """Whether TLS is spoken on this socket."""
        return self._tls is not None and listener.family != socket.AF_UNIX

    def stop(self) -> None:
        """Take no more connections, let the open requests end, and end."""
        self._ending()
        self.should_exit = True
        self._told.set()

    def _doorman(self, tls: ssl.SSLContext) -> Doorman:
        encrypted = KnownProtocol if asks_for_certificate(tls) else Protocol
        make = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return Doorman(tls, partial(encrypted, **make), partial(PlainProtocol, **make))
