"""`fleet-api`: from the command line to a served cluster."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy import __version__
from fleetpy.config.etcd import etcd_settings, keys_of
from fleetpy.daemon.command import command_line
from fleetpy.daemon.run import Daemon, run_daemon
from fleetpy.registry.etcd import connect
from fleetpy_api.assembly import Api
from fleetpy_api.listen import DEFAULT_SOCKET, check_reach, describe, open_socket, passed_sockets
from fleetpy_api.server import Server
from fleetpy_api.tls import server_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from fleetpy.config import FleetConfig
    from fleetpy.daemon.notify import ServiceManager

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the API; the exit code."""
    parser = command_line(
        "fleet-api", "Serve the cluster's HTTP API on the sockets that systemd passes, or by hand on one of its own."
    )
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        default=DEFAULT_SOCKET,
        help="where to listen when systemd passes no sockets (default %(default)s)",
    )
    given = parser.parse_args(arguments)
    return run_daemon(Daemon("fleet-api", check, partial(serve, given.socket)), given)


def check(config: FleetConfig) -> None:
    """Raise `ConfigError` if the API could not serve as configured on the sockets that it has from systemd."""
    etcd_settings(config)
    server_context(config)
    with contextlib.ExitStack() as stack:
        passed = [stack.enter_context(listener) for listener in passed_sockets(os.environ)]
        check_reach(passed, config)


async def serve(path: Path, config: FleetConfig, service: ServiceManager) -> None:
    """Serve until cancelled or, if systemd's sockets started this, until nobody has asked for a while.

    Without systemd's sockets it listens on one at `path`; raises `UnavailableError` if it cannot.
    """
    # What was imported stays for good; the collector need not go through it again and again.
    gc.freeze()
    passed = passed_sockets(os.environ)
    with contextlib.ExitStack() as stack:
        listeners = passed or [stack.enter_context(_own_socket(path))]
        registry = connect(etcd_settings(config))
        try:
            api = Api(
                registry,
                keys_of(config),
                token_limit=config.token_limit,
                clock=time.monotonic,
                now=lambda: datetime.now(UTC),
            )
            server = Server(api.front, ending=api.streams.end, tls=server_context(config))
            await _run(api, server, listeners, service, config.api_idle_timeout if passed else None)
        finally:
            await registry.close()


async def _run(
    api: Api,
    server: Server,
    listeners: Sequence[socket.socket],
    service: ServiceManager,
    idle_timeout: float | None,
) -> None:
    """Serve the API on the sockets; `idle_timeout` is the seconds without a request after which it ends, if at all."""
    places = ", ".join(
        describe(listener) + (" with TLS" if server.encrypts(listener) else "") for listener in listeners
    )
    _log.info("fleet-api %s serves on %s", __version__, places)
    async with asyncio.TaskGroup() as group:
        helpers: list[asyncio.Task[None]] = [
            group.create_task(api.run()),
            group.create_task(service.feed_watchdog()),
        ]
        if idle_timeout is not None:
            helpers.append(group.create_task(_stop_when_idle(api, server, service, idle_timeout)))
        # The sockets listen already: who connects now is answered as soon as the server runs.
        service.ready(f"serves on {places}")
        try:
            await server.run_on(list(listeners))
        finally:
            for helper in helpers:
                helper.cancel()


async def _stop_when_idle(api: Api, server: Server, service: ServiceManager, seconds: float) -> None:
    await api.activity.idle(seconds)
    service.stopping()
    _log.info("fleet-api ends: nobody has asked for %g s; its socket starts it again", seconds)
    server.stop()


@contextlib.contextmanager
def _own_socket(path: Path) -> Iterator[socket.socket]:
    """A socket of our own, which goes when we do."""
    listener = open_socket(path)
    try:
        yield listener
    finally:
        path.unlink(missing_ok=True)
