"""`fleet-agent`: from the command line to a running agent."""

from __future__ import annotations

import asyncio
import fcntl
import logging
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fleetpy import __version__
from fleetpy.config.etcd import etcd_settings, keys_of
from fleetpy.daemon.command import command_line
from fleetpy.daemon.run import Daemon, run_daemon
from fleetpy.errors import FleetError, UnavailableError
from fleetpy.registry.etcd import connect
from fleetpy.registry.lease import LeaseKeeper
from fleetpy_agent.agent import Agent
from fleetpy_agent.files import DiskFiles
from fleetpy_agent.home import Home
from fleetpy_agent.identity import describe, read_machine_id
from fleetpy_agent.session import Session
from fleetpy_agent.systemd.dbus import DBusSystemd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.config import FleetConfig
    from fleetpy.daemon.notify import ServiceManager

_log = logging.getLogger(__name__)

MACHINE_ID = Path("/etc/machine-id")
STATE = Path("/run/fleet/agent")
LINKS = Path("/run/systemd/system")

REBOOT = 2
"""For how many times its lease's life a machine that was booted anew may find its own registration from before."""

DEPARTURE = 5.0
"""Seconds that ending the registration may take when the host shuts down."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent; the exit code."""
    given = command_line(
        "fleet-agent", "Make this host's systemd match the placements that the cluster made for it."
    ).parse_args(arguments)
    return run_daemon(Daemon("fleet-agent", etcd_settings, serve), given)


async def serve(config: FleetConfig, service: ServiceManager) -> None:
    """Run the agent of this host until cancelled. Raises `ConfigError`, and `UnavailableError` if one runs already."""
    with lock(STATE):
        await serve_alone(config, service)


async def serve_alone(config: FleetConfig, service: ServiceManager) -> None:
    """Run the only agent of this host until cancelled. Raises `ConfigError`."""
    machine, settings = read_machine_id(MACHINE_ID), etcd_settings(config)
    registry = connect(settings)
    home = Home(registry, keys_of(config), machine)
    keeper = LeaseKeeper(lambda: connect(settings.hurried(config.agent_lease)), config.agent_lease)
    files = DiskFiles(Path(config.units_directory), STATE, LINKS)
    session = Session(home, files, keeper, partial(describe, config, machine))
    agent = Agent(home, session, DBusSystemd(), files, REBOOT * config.agent_ttl, service.status)
    _log.info("fleet-agent %s on machine %s", __version__, machine)
    try:
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(keeper.run())
            try:
                await work(agent, service)
            except asyncio.CancelledError:
                await depart(agent)
                raise
            finally:
                keeping.cancel()
    finally:
        await registry.close()


def lock(state: Path) -> IO[bytes]:
    """Be the only agent of this host for as long as the file that is returned stays open. Raises `UnavailableError`.

    Two of them would take the registration from each other without end.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        held = (state / "lock").open("wb")
    except OSError as error:
        raise UnavailableError(f"cannot keep the agent's state in {state} (it runs as root): {error}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise UnavailableError("another fleet-agent runs on this host; stop it first") from error
    return held


async def work(agent: Agent, service: ServiceManager) -> None:
    """Run the agent until cancelled, and tell systemd so."""
    async with asyncio.TaskGroup() as group:
        group.create_task(service.feed_watchdog())
        group.create_task(agent.run())
        await agent.connected_once()
        # Not later, when the machine is registered: the services that it starts are ordered after this one.
        service.ready("Connected to systemd")


async def depart(agent: Agent) -> None:
    """End the registration if the host is shutting down; whatever goes wrong, the lease expires by itself."""
    try:
        async with asyncio.timeout(DEPARTURE):
            await agent.depart()
    except* (FleetError, TimeoutError) as group:
        _log.warning("the registration is left to expire: %s", str(group.exceptions[0]) or "no answer in time")
