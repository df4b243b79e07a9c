"""Many agents in one process: `python -m benchmarks.scale_agents ETCD-URL FIRST COUNT`.

Each is the real agent with a connection of its own; its systemd and its files are in memory. They share one thread, and
one connection, that renews their leases. It runs until it is ended by a signal; who waits for the machines sees their
keys in etcd.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from benchmarks.clusters import machine_id
from fleetpy import __version__
from fleetpy.config import FleetConfig
from fleetpy.model.records import MachineRecord
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.keys import Keys
from fleetpy.registry.lease import LeaseHolder, LeaseStatus, Renewer
from fleetpy_agent.agent import Agent
from fleetpy_agent.home import Home
from fleetpy_agent.main import REBOOT
from fleetpy_agent.memory_files import MemoryFiles
from fleetpy_agent.session import Session
from fleetpy_agent.systemd.memory import MemorySystemd

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fleetpy.ids import LeaseID, MachineID, SessionID
    from fleetpy.registry.protocol import Registry

R = TypeVar("R")

PATIENCE = 30.0
"""Seconds that a request to etcd may take: a thousand agents that share a processor are slower than one."""
CONFIG = FleetConfig(agent_ttl=60.0)
"""Six times the default, for the same reason: heartbeats of five hundred busy agents share one interpreter."""


class SharedKeeper(LeaseHolder):
    """`LeaseKeeper` with a thread that many share."""

    def __init__(self, registry: Registry, ttl: float, loop: asyncio.AbstractEventLoop) -> None:
        self._renewer = Renewer(registry, ttl)
        self._loop = loop
        asyncio.run_coroutine_threadsafe(self._renewer.run(), loop)

    @property
    def status(self) -> LeaseStatus:
        """See `LeaseHolder.status`."""
        return self._renewer.status

    @property
    def listeners(self) -> list[Callable[[LeaseStatus], None]]:
        """See `LeaseHolder.listeners`."""
        return self._renewer.listeners

    def now(self) -> float:
        """See `LeaseHolder.now`."""
        return self._renewer.now()

    async def grant(self) -> LeaseID:
        """See `LeaseHolder.grant`."""
        return await self._ask(self._renewer.grant())

    async def adopt(self, lease: LeaseID) -> bool:
        """See `LeaseHolder.adopt`."""
        return await self._ask(self._renewer.adopt(lease))

    async def lost(self) -> None:
        """See `LeaseHolder.lost`."""
        await self._ask(self._renewer.lost())

    async def revoke(self) -> None:
        """See `LeaseHolder.revoke`."""
        await self._ask(self._renewer.revoke())

    async def _ask(self, question: Coroutine[None, None, R]) -> R:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, self._loop))


async def serve(url: str, first: int, count: int) -> None:
    """Run the agents of machines `first` and on until cancelled."""
    gc.freeze()
    settings = EtcdSettings((url,), request_timeout=PATIENCE)
    keeping = asyncio.new_event_loop()
    threading.Thread(target=keeping.run_forever, name="leases", daemon=True).start()
    leases = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_connect(settings), keeping))
    async with asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            group.create_task(_agent(machine_id(number), settings, leases, keeping).run())


async def _connect(settings: EtcdSettings) -> Registry:
    return connect(settings)


def _agent(machine: MachineID, settings: EtcdSettings, leases: Registry, keeping: asyncio.AbstractEventLoop) -> Agent:
    """What `fleetpy_agent.main` makes."""
    home, files = Home(connect(settings), Keys(), machine), MemoryFiles()
    session = Session(home, files, SharedKeeper(leases, CONFIG.agent_lease, keeping), partial(describe, machine))
    return Agent(home, session, MemorySystemd(files.read), files, REBOOT * CONFIG.agent_ttl, lambda _words: None)


def describe(machine: MachineID, session: SessionID) -> MachineRecord:
    """The record that a machine registers with."""
    return MachineRecord(
        id=machine, session=session, hostname=machine[:8], public_ip="192.0.2.1", metadata={}, version=__version__
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
