"""Users who change their minds: wishes for units and machines, written by the API's own writers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fleetpy.errors import FleetError
from fleetpy.registry.cluster import Tables
from fleetpy.registry.view import View
from fleetpy_api.decide import Author
from fleetpy_api.metrics import Metrics
from fleetpy_api.patches import MetadataPatch
from fleetpy_api.picture import Picture
from fleetpy_api.reasons import Reasons
from fleetpy_api.settings import SettingsWriter
from fleetpy_api.writer import UnitWriter
from tests.simulation.host import KEYS
from tests.simulation.process import Process

if TYPE_CHECKING:
    from fleetpy.ids import MachineID
    from fleetpy.registry.decoding import Decoded
    from fleetpy.schemas.fleetpy_v1 import MachineChange
    from fleetpy_api.wishes import Wish
    from tests.simulation.host import Onlooker
    from tests.simulation.network import Line, Network
    from tests.simulation.process import Keeper
    from tests.simulation.timeline import Clock, Timeline
    from tests.simulation.trace import Trace


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked for in one request: of units, or of one machine."""

    wishes: tuple[Wish, ...] = ()
    machine: MachineID | None = None
    settings: MachineChange | None = None
    metadata: tuple[tuple[str, str | None], ...] = ()

    def __str__(self) -> str:
        words = [
            f"{wish.action} {wish.name.full}{' ' + wish.goal if wish.goal else ''}"
            f"{' text ' + wish.file.hash[:6] if wish.file else ''}"
            for wish in self.wishes
        ]
        if self.settings is not None:
            words.append(f"{str(self.machine)[0]} cordoned={self.settings.cordoned} draining={self.settings.draining}")
        words += [f"{str(self.machine)[0]} {key}={value}" for key, value in self.metadata]
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class _Api:
    """One API, without its front."""

    view: View[Decoded]
    units: UnitWriter
    settings: SettingsWriter


class User:
    """One API and who uses it; what is asked for is carried out in order."""

    def __init__(
        self, number: int, clock: Clock, timeline: Timeline, network: Network, trace: Trace, onlooker: Onlooker
    ) -> None:
        self._timeline = timeline
        self._trace = trace
        self._waiting: asyncio.Queue[Change] = asyncio.Queue()
        self._busy = False
        self.process = Process(
            f"api-{number}",
            timeline,
            network,
            trace,
            clock=clock,
            ttl=1.0,
            committed=onlooker.committed,
            failed=onlooker.failed,
        )

    @property
    def idle(self) -> bool:
        """Whether all was carried out, or given up."""
        return not self._busy and self._waiting.empty()

    def start(self) -> None:
        """It starts."""
        self.process.start(self._serve)

    def ask(self, change: Change) -> None:
        """Ask for something."""
        self._waiting.put_nowait(change)

    async def _serve(self, line: Line, _keeper: Keeper) -> None:
        tables = Tables(KEYS)
        view: View[Decoded] = View(line, KEYS.prefix, tables.decode)
        view.subscribe(tables.apply)
        picture = Picture(KEYS, view, tables, Reasons(tables, asyncio.get_running_loop().time))
        metrics = Metrics()
        api = _Api(view, UnitWriter(line, KEYS, picture, metrics), SettingsWriter(line, KEYS, picture, metrics))
        async with asyncio.TaskGroup() as group:
            group.create_task(view.run())
            group.create_task(self._carry_out(api))

    async def _carry_out(self, api: _Api) -> None:
        await api.view.synced()
        while True:
            change = await self._waiting.get()
            self._busy = True
            try:
                outcome = await self._ask(api, change)
            except FleetError as error:
                outcome = str(error)
            self._trace.note(self.process.name, "%s: %s", change, outcome)
            self._busy = False

    async def _ask(self, api: _Api, change: Change) -> str:
        if change.machine is not None:
            if change.settings is not None:
                await api.settings.change(change.machine, change.settings)
            await api.settings.patch_metadata(
                [MetadataPatch(change.machine, key, value) for key, value in change.metadata]
            )
            return "done"
        author = Author("user", datetime.fromtimestamp(self.process.clock.shows(self._timeline.now), UTC))
        decisions, revision = await api.units.apply(change.wishes, author)
        return f"{', '.join(decision.status for decision in decisions)} at {revision}"
