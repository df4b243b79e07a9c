"""One API, put together: what `main` runs behind sockets, and tests ask directly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from fleetpy.registry.cluster import Tables
from fleetpy.registry.view import View
from fleetpy_api.activity import Activity
from fleetpy_api.app import build_app
from fleetpy_api.brake import BrakeWriter
from fleetpy_api.events import Streams
from fleetpy_api.front import Front
from fleetpy_api.metrics import Metrics
from fleetpy_api.picture import Picture
from fleetpy_api.reasons import Reasons
from fleetpy_api.service import Service
from fleetpy_api.settings import SettingsWriter
from fleetpy_api.writer import UnitWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fleetpy.registry.decoding import Decoded
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Registry


class Api:
    """Serves the cluster that `registry` holds below `keys`.

    `front` is the ASGI application. `run` keeps its picture up to date. `clock` gives monotonic seconds, `now` the wall
    clock's time with its zone.
    """

    def __init__(
        self,
        registry: Registry,
        keys: Keys,
        *,
        token_limit: int,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        tables = Tables(keys)
        self._view: View[Decoded] = View(registry, keys.prefix, tables.decode)
        self._view.subscribe(tables.apply)
        self.picture = Picture(keys, self._view, tables, Reasons(tables, clock))
        self.activity = Activity()
        self.streams = Streams(self.picture)
        metrics = Metrics()
        service = Service(
            registry=registry,
            keys=keys,
            shown=self.picture,
            units=UnitWriter(registry, keys, self.picture, metrics),
            settings=SettingsWriter(registry, keys, self.picture, metrics),
            brake=BrakeWriter(registry, keys, self.picture, metrics),
            metrics=metrics,
            token_limit=token_limit,
            clock=clock,
            now=now,
        )
        metrics.gauge("fleet_cluster_units", "Units that the cluster knows.", lambda: len(tables.units))
        metrics.gauge("fleet_cluster_machines", "Machines that are alive.", lambda: len(tables.machines))
        metrics.gauge("fleet_cluster_placements", "Units that machines are to have.", lambda: len(tables.placements))
        metrics.gauge("fleet_cluster_braked_machines", "Lost machines that the brake holds.", self.picture.braked)
        metrics.gauge("fleet_api_streams", "Streams of events that are open.", lambda: len(self.streams))
        metrics.gauge("fleet_api_revision", "The registry's revision that is shown.", lambda: self._view.revision)
        metrics.gauge("fleet_api_live", "1 while news arrive as they happen, 0 while etcd is away.", self._is_live)
        self.app = build_app(service, self.streams)
        self.front = Front(self.app, self.picture, self.activity, metrics)

    async def run(self) -> NoReturn:
        """Follow the registry; ends only by cancellation or by a defect."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._view.run())
            await self.streams.run()

    def _is_live(self) -> float:
        return float(self._view.following)
