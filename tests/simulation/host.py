"""A host: its disk, its systemd, and the agent on it, each of which can go its own way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from fleetpy.ids import MachineID
from fleetpy.model.records import MachineRecord
from fleetpy.registry.keys import Keys
from fleetpy_agent.agent import Agent
from fleetpy_agent.home import Home
from fleetpy_agent.main import REBOOT, depart
from fleetpy_agent.memory_files import MemoryFiles
from fleetpy_agent.session import Session
from tests.simulation.process import Process
from tests.simulation.systemd import HostSystemd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.ids import Revision, SessionID, UnitName
    from fleetpy.registry.protocol import Write
    from fleetpy_agent.systemd.simulated import Behaviour
    from tests.simulation.network import Line, Network
    from tests.simulation.process import Keeper
    from tests.simulation.timeline import Clock, Timeline
    from tests.simulation.trace import Trace

KEYS = Keys()
TTL = 10.0
"""Seconds: `agent_ttl`."""
LEASE = 8.0
"""Seconds: what comes of it (docs/adr/0006)."""
PATIENCE_OF_SHUTDOWN = 3.0
"""Seconds that units have to stop when their host shuts down, and then its agent."""


class Onlooker(Protocol):
    """Who is told of everything that happens."""

    def unit_changed(self, host: Host, name: UnitName, before: str, active: str) -> None:
        """A unit's active state is another, on a host that is up."""
        ...

    def committed(self, process: Process, revision: Revision, writes: Sequence[Write]) -> None:
        """A transaction of this process was applied."""
        ...

    def failed(self, who: str, error: BaseException) -> None:
        """A program has ended by an error of its own."""
        ...


class Host:
    """One host, switched off at first. Its files outlast its agents, and go with it."""

    def __init__(
        self,
        letter: str,
        metadata: dict[str, str],
        clock: Clock,
        timeline: Timeline,
        network: Network,
        trace: Trace,
        onlooker: Onlooker,
    ) -> None:
        self.letter = letter
        self.id = MachineID(letter * 32)
        self.metadata = metadata
        self.behaviours: dict[UnitName, Behaviour] = {}
        self.up = False
        self.frozen = False
        self.frozen_until = 0.0
        """When it was last thawed."""
        self.switched = 0.0
        """When it was last switched on or off."""
        self._timeline = timeline
        self._world = network.loop
        self._trace = trace
        self._onlooker = onlooker
        self._leaving = False
        self.agent = Process(
            f"agent-{letter}",
            timeline,
            network,
            trace,
            clock=clock,
            ttl=LEASE,
            committed=onlooker.committed,
            failed=onlooker.failed,
        )
        self.boots = 0
        self._plug_in()

    @property
    def healthy(self) -> bool:
        """Whether nothing disturbs it, or lets it down."""
        return self.up and not self.frozen and self.systemd.healthy and self.agent.healthy

    def boot(self) -> None:
        """Switch it on: its disk's /run is empty, and its agent starts."""
        self._trace.note(self.letter, "boots")
        self.boots += 1
        self.up = True
        self.switched = self._timeline.now
        self.start_agent()

    def start_agent(self) -> None:
        """The agent starts, unless it runs, or is not to."""
        if self.up and not self.agent.runs and not self.systemd.stopping:
            self._leaving = False
            self.agent.start(self._serve)

    def switch_off(self) -> None:
        """Pull the plug."""
        if not self.up:
            return
        self._trace.note(self.letter, "is off")
        self.up = self.frozen = False
        self.switched = self._timeline.now
        self.systemd.detach()
        self.agent.kill()
        self.agent.resume()
        self._timeline.drop(self._loop)
        self._plug_in()

    def shut_down(self) -> None:
        """Units are stopped, then the agent; then it is off."""
        if not self.up or self.systemd.stopping:
            return
        self._trace.note(self.letter, "shuts down")
        self.systemd.stopping = True
        for name in self.systemd.up():
            self.systemd.halt(name)
        self._wait_for_units(self._timeline.now + PATIENCE_OF_SHUTDOWN)

    def freeze(self) -> None:
        """The whole host stands still."""
        if self.up and not self.frozen:
            self._trace.note(self.letter, "freezes")
            self.frozen = self._loop.frozen = True
            self.agent.pause()

    def thaw(self) -> None:
        """It goes on as if nothing had happened."""
        if self.frozen:
            self._trace.note(self.letter, "thaws")
            self.frozen = self._loop.frozen = False
            self.frozen_until = self._timeline.now
            self.agent.resume()

    def crash_agent(self) -> None:
        """The agent's process is killed; its files stay."""
        self.agent.kill()
        self.systemd.detach()

    def _plug_in(self) -> None:
        self._loop = self._timeline.loop(self.letter, self.agent.clock)
        self.files = MemoryFiles()
        self.systemd = HostSystemd(self.files, self._loop, self._unit_changed)
        self.systemd.behaviours = self.behaviours

    def _unit_changed(self, name: UnitName, before: str, active: str) -> None:
        if self.up:
            self._onlooker.unit_changed(self, name, before, active)

    def _wait_for_units(self, until: float) -> None:
        if self._timeline.now < until and self.systemd.up():
            self._loop.call_later(0.1, self._wait_for_units, until)
            return
        self._leaving = True
        self.agent.terminate()
        self._wait_for_agent(self._timeline.now + PATIENCE_OF_SHUTDOWN)

    def _wait_for_agent(self, until: float) -> None:
        if self.agent.runs and self._timeline.now < until:
            self._loop.call_later(0.1, self._wait_for_agent, until)
        else:
            self._world.call_soon(self.switch_off)  # Not on the loop that it ends.

    async def _serve(self, line: Line, keeper: Keeper) -> None:
        """What `fleetpy_agent.main` does."""
        home = Home(line, KEYS, self.id)
        session = Session(home, self.files, keeper, self._describe)
        agent = Agent(home, session, self.systemd, self.files, REBOOT * TTL, lambda _words: None)
        try:
            await agent.run()
        except asyncio.CancelledError:
            if self._leaving:
                await depart(agent)
            raise

    def _describe(self, session: SessionID) -> MachineRecord:
        return MachineRecord(
            id=self.id,
            session=session,
            hostname=self.letter,
            public_ip="192.0.2.1",
            metadata=self.metadata,
            version="1",
        )
