"""Taking connections on sockets where TLS is spoken, and telling who does not speak it that it is.

asyncio's own servers drop a client that speaks plain HTTP without a word. So its first byte is looked at before TLS
begins: that of a handshake is 22 (RFC 8446, section 5.1), and no request of HTTP begins with that.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)

HANDSHAKE = 10.0
"""Seconds that a client has to say something, and as many for the handshake."""

FAREWELL = 1.0
"""Seconds that a client has to agree to the end of its connection; one at rest does not look."""

BREATH = 1.0
"""Seconds until the next try when a connection could not be taken (no descriptors are left, most likely)."""

MAX_AT_THE_DOOR = 128
"""Clients that may be on their way in at once; when more come, the one that has taken longest is hung up on."""

_TLS = b"\x16"


class Doorman:
    """Hands each connection to a protocol: `encrypted` makes those for TLS by `context`, `plain` the others."""

    def __init__(
        self,
        context: ssl.SSLContext,
        encrypted: Callable[[], asyncio.Protocol],
        plain: Callable[[], asyncio.Protocol],
    ) -> None:
        self._context = context
        self._encrypted = encrypted
        self._plain = plain
        self._at_the_door: dict[asyncio.Task[None], None] = {}

    async def run(self, listeners: Sequence[socket.socket]) -> NoReturn:
        """Take connections until cancelled; the listeners are closed then."""
        with ExitStack() as stack:
            async with asyncio.TaskGroup() as group:
                for listener in listeners:
                    stack.enter_context(listener)
                    group.create_task(self._take(listener, group))
        raise AssertionError("an eternal task has ended")

    async def _take(self, listener: socket.socket, group: asyncio.TaskGroup) -> NoReturn:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)  # noqa: FBT003 - the method takes it by position alone
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except ConnectionAbortedError:
                continue  # It was gone before its turn came.
            except OSError as error:
                _log.warning("cannot take a connection: %s", error.strerror)
                await asyncio.sleep(BREATH)
                continue
            if len(self._at_the_door) >= MAX_AT_THE_DOOR:
                longest = next(iter(self._at_the_door))
                longest.cancel()
                del self._at_the_door[longest]
            admission = group.create_task(self._admit(connection, str(address[0])))
            self._at_the_door[admission] = None
            admission.add_done_callback(lambda done: self._at_the_door.pop(done, None))

    async def _admit(self, connection: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            stack.enter_context(connection)
            try:
                async with asyncio.timeout(HANDSHAKE):
                    first = await _first_byte(connection)
                if not first:
                    return
                stack.pop_all()  # From here on it belongs to its transport.
                if first == _TLS:
                    await loop.connect_accepted_socket(
                        self._encrypted,
                        connection,
                        ssl=self._context,
                        ssl_handshake_timeout=HANDSHAKE,
                        ssl_shutdown_timeout=FAREWELL,
                    )
                else:
                    await loop.connect_accepted_socket(self._plain, connection)
            except OSError as error:  # Those of TLS and of time are among them.
                _log.info("%s was not let in: %s", address, str(error) or "it said nothing")


async def _first_byte(connection: socket.socket) -> bytes:
    """Wait until there is something to read, and look at its first byte; empty at the end. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)
