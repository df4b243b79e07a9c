"""`fleet-scheduler`: from the command line to a running scheduler."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING

from fleetpy import __version__
from fleetpy.config.etcd import etcd_settings, keys_of
from fleetpy.daemon.command import command_line
from fleetpy.daemon.metrics_socket import METRICS_SOCKET, serve_metrics
from fleetpy.daemon.run import Daemon, run_daemon
from fleetpy.planner.plan import PlanSettings
from fleetpy.registry.election import Election
from fleetpy.registry.etcd import connect
from fleetpy.registry.lease import LeaseKeeper
from fleetpy_scheduler.leading import Scheduler
from fleetpy_scheduler.metrics import EngineMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.config import FleetConfig
    from fleetpy.daemon.notify import ServiceManager

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scheduler; the exit code."""
    given = command_line(
        "fleet-scheduler", "Decide which machine has which unit; of several, one leads at a time."
    ).parse_args(arguments)
    return run_daemon(Daemon("fleet-scheduler", etcd_settings, serve), given)


async def serve(config: FleetConfig, service: ServiceManager) -> None:
    """Run a scheduler until cancelled; where the configuration says `disable_engine`, one that only waits for that."""
    if config.disable_engine:
        _log.info("disable_engine is set: this host's scheduler takes no part")
        service.ready("Takes no part, as configured")
        await service.feed_watchdog()
    settings, keys = etcd_settings(config), keys_of(config)
    registry = connect(settings)
    keeper = LeaseKeeper(lambda: connect(settings.hurried(config.scheduler_ttl)), config.scheduler_ttl)
    identity = f"{socket.gethostname()}/{os.getpid()}"
    metrics = EngineMetrics()
    scheduler = Scheduler(
        registry=registry,
        keys=keys,
        election=Election(registry, keys.leader, keeper),
        identity=identity,
        settings=PlanSettings(ttl=config.agent_ttl, lease=config.agent_lease),
        interval=config.engine_reconcile_interval,
        say=service.status,
        metrics=metrics,
    )
    _log.info("fleet-scheduler %s stands for election as %s", __version__, identity)
    try:
        async with asyncio.TaskGroup() as group:
            for work in (service.feed_watchdog(), keeper.run(), scheduler.run()):
                group.create_task(work)
            if METRICS_SOCKET.parent.is_dir():  # fleet-scheduler.service has systemd make it
                group.create_task(serve_metrics(METRICS_SOCKET, metrics.text))
            service.ready("Waits to lead")
    finally:
        await registry.close()
