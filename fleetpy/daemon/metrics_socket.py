"""How a host's API comes by the metrics of its scheduler: whoever connects to a socket is written all of them.

The original's engine and API were one process, so that `/metrics` of a host told of both.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

METRICS_SOCKET = Path("/run/fleet-scheduler/metrics.sock")
"""Where fleet-scheduler.service has its socket: in the service's own folder, which only root may enter."""

_PATIENCE = 1.0
"""Seconds that the other side has."""


async def serve_metrics(path: Path, text: Callable[[], bytes]) -> NoReturn:
    """Tell whoever connects, until cancelled; raises `OSError` if the socket cannot be there."""

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError), contextlib.closing(writer):
            async with asyncio.timeout(_PATIENCE):
                writer.write(text())
                await writer.drain()

    server = await asyncio.start_unix_server(tell, path)
    async with server:
        await server.serve_forever()
    raise AssertionError("a server that serves for ever has ended")


async def read_metrics(path: Path = METRICS_SOCKET) -> bytes:
    """What the host's scheduler tells; nothing if there is none, or it does not answer."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                return await reader.read()
    except (OSError, TimeoutError):
        return b""
