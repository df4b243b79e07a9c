"""`fleet-agent`: from the command line to a running agent."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy import __version__
from fleetpy.config import DEFAULT_PATH, load_config
from fleetpy.daemon.logs import configure_logging
from fleetpy.daemon.notify import ServiceManager
from fleetpy.daemon.run import run_daemon
from fleetpy.errors import FleetError
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.keys import Keys
from fleetpy_agent.agent import Agent
from fleetpy_agent.files import DiskFiles
from fleetpy_agent.heart import LoopHeart
from fleetpy_agent.home import Home
from fleetpy_agent.identity import describe, read_machine_id
from fleetpy_agent.session import Session
from fleetpy_agent.systemd.dbus import DBusSystemd

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from fleetpy.config import FleetConfig

_log = logging.getLogger(__name__)

MACHINE_ID = Path("/etc/machine-id")
STATE = Path("/run/fleet/agent")
LINKS = Path("/run/systemd/system")

DEPARTURE = 5.0
"""Seconds that ending the registration may take when the host shuts down."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent; the exit code."""
    parser = argparse.ArgumentParser(
        prog="fleet-agent", description="Make this host's systemd match the placements that the cluster made for it."
    )
    parser.add_argument("--config", type=Path, metavar="PATH", help=f"the configuration file (default {DEFAULT_PATH})")
    parser.add_argument("--verbosity", metavar="N", help="above 0: log debug messages")
    parser.add_argument("--version", action="version", version=f"fleet-agent {__version__}")
    given = parser.parse_args(arguments)
    flags = {"verbosity": given.verbosity} if given.verbosity is not None else {}

    def start() -> Coroutine[None, None, None]:
        config = load_config(given.config, os.environ, flags)
        configure_logging(config.verbosity, os.environ)
        return serve(config)

    return run_daemon("fleet-agent", start)


async def serve(config: FleetConfig) -> None:
    """Run the agent of this host until cancelled. Raises `ConfigError`."""
    for warning in config.warnings:
        _log.warning("%s", warning)
    machine = read_machine_id(MACHINE_ID)
    service = ServiceManager(os.environ)
    registry, heartbeat = connect(etcd_settings(config)), connect(etcd_settings(config))
    heart = LoopHeart(heartbeat, config.agent_ttl)
    files = DiskFiles(Path(config.units_directory), STATE, LINKS)
    home = Home(registry, Keys(config.etcd_key_prefix), machine)
    session = Session(home, files, heart, partial(describe, config, machine))
    agent = Agent(home, session, DBusSystemd(), files, 2 * config.agent_ttl, service.status)
    _log.info("fleet-agent %s on machine %s", __version__, machine)
    try:
        async with asyncio.TaskGroup() as group:
            for work in (service.feed_watchdog(), heart.run(), agent.run()):
                group.create_task(work)
            await agent.connected_once()
            # Not later: a unit that starts is ordered after this service, and would wait for it.
            service.ready("connected to systemd; not registered yet")
    except asyncio.CancelledError:
        service.stopping()
        await depart(agent)
        raise
    finally:
        await heartbeat.close()
        await registry.close()


async def depart(agent: Agent) -> None:
    """End the registration if the host is shutting down; whatever goes wrong, the lease expires by itself."""
    try:
        async with asyncio.timeout(DEPARTURE):
            await agent.depart()
    except (FleetError, TimeoutError) as error:
        _log.warning(
            "the registration is left to expire: %s", error if isinstance(error, FleetError) else "no answer in time"
        )


def etcd_settings(config: FleetConfig) -> EtcdSettings:
    """How to reach etcd, as configured."""
    return EtcdSettings(
        endpoints=config.etcd_servers,
        ca_file=config.etcd_cafile,
        cert_file=config.etcd_certfile,
        key_file=config.etcd_keyfile,
        username=config.etcd_username,
        password=config.etcd_password,
        request_timeout=config.etcd_request_timeout,
    )
