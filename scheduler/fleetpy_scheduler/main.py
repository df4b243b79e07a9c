"""`fleet-scheduler`: from the command line to a running scheduler."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy import __version__
from fleetpy.config import DEFAULT_PATH, load_config
from fleetpy.config.etcd import etcd_settings, keys_of
from fleetpy.daemon.logs import configure_logging
from fleetpy.daemon.notify import ServiceManager
from fleetpy.daemon.run import run_daemon
from fleetpy.planner.plan import PlanSettings
from fleetpy.registry.election import Election
from fleetpy.registry.etcd import connect
from fleetpy.registry.lease import LeaseKeeper
from fleetpy_scheduler.leading import Scheduler

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from fleetpy.config import FleetConfig

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scheduler; the exit code."""
    parser = argparse.ArgumentParser(
        prog="fleet-scheduler", description="Decide which machine has which unit; of several, one leads at a time."
    )
    parser.add_argument("--config", type=Path, metavar="PATH", help=f"the configuration file (default {DEFAULT_PATH})")
    parser.add_argument("--verbosity", metavar="N", help="above 0: log debug messages")
    parser.add_argument("--version", action="version", version=f"fleet-scheduler {__version__}")
    given = parser.parse_args(arguments)
    flags = {"verbosity": given.verbosity} if given.verbosity is not None else {}

    def start() -> Coroutine[None, None, None]:
        config = load_config(given.config, os.environ, flags)
        configure_logging(config.verbosity, os.environ)
        return serve(config)

    return run_daemon("fleet-scheduler", start)


async def serve(config: FleetConfig) -> None:
    """Run a scheduler until cancelled; returns at once where the configuration says `disable_engine`."""
    for warning in config.warnings:
        _log.warning("%s", warning)
    service = ServiceManager(os.environ)
    if config.disable_engine:
        _log.info("disable_engine is set: this host's scheduler takes no part")
        service.ready("Takes no part, as configured")
        return
    settings, keys = etcd_settings(config), keys_of(config)
    registry = connect(settings)
    keeper = LeaseKeeper(lambda: connect(settings.hurried(config.scheduler_ttl)), config.scheduler_ttl)
    identity = f"{socket.gethostname()}/{os.getpid()}"
    scheduler = Scheduler(
        registry=registry,
        keys=keys,
        election=Election(registry, keys.leader, keeper),
        identity=identity,
        settings=PlanSettings(ttl=config.agent_ttl),
        interval=config.engine_reconcile_interval,
        say=service.status,
    )
    _log.info("fleet-scheduler %s stands for election as %s", __version__, identity)
    try:
        async with asyncio.TaskGroup() as group:
            for work in (service.feed_watchdog(), keeper.run(), scheduler.run()):
                group.create_task(work)
            service.ready("Waits to lead")
    finally:
        service.stopping()
        await registry.close()
