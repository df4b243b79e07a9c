"""A host in memory: systemd, files, an agent that can be started and killed; the scheduler is played by hand."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from fleetpy.errors import UnavailableError
from fleetpy.ids import Epoch, LeaseID, MachineID, SessionID, UnitName, UnitUID
from fleetpy.model.records import MachineRecord, PlacementRecord, StateRecord, UnitFileRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.keys import Keys
from fleetpy.registry.lease import Renewer
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import MAX_OPERATIONS, Delete, Put, RegistryFullError
from fleetpy.unit.file import UnitFile
from fleetpy_agent.agent import Agent
from fleetpy_agent.home import Home
from fleetpy_agent.memory_files import MemoryFiles
from fleetpy_agent.session import Session
from fleetpy_agent.systemd.memory import MemorySystemd
from tests.support.faulty import FaultyRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Guard, Write
    from fleetpy_agent.systemd.protocol import Systemd

KEYS = Keys()
MACHINE = MachineID("a" * 32)
TTL = 10.0
LOADED, LAUNCHED = UnitGoal.LOADED, UnitGoal.LAUNCHED
PATIENCE = 120.0
"""Virtual seconds after which a condition will not come true any more."""

WEB = UnitName("web.service")
DB = UnitName("db.service")


def text(words: str = "sleep infinity") -> str:
    """A unit file's canonical text."""
    return f"[Service]\nExecStart=/bin/{words}\n"


class Registry:
    """The registry as the scheduler and the API see it, from outside of the host."""

    def __init__(self) -> None:
        self.store = MemoryStore(clock=asyncio.get_running_loop().time)
        self._gathered: dict[str, Put] = {}
        self._gathering = False

    def place(
        self,
        name: str,
        words: str = "sleep infinity",
        goal: UnitGoal = LAUNCHED,
        *,
        uid: int = 1,
        epoch: int = 1,
        restarted: str | None = None,
        unit_text: str | None = None,
    ) -> PlacementRecord:
        """Place a unit on the host, or change its placement."""
        file = UnitFile.parse(unit_text or text(words))
        placement = PlacementRecord(
            uid=UnitUID(uid), hash=file.hash, goal=goal, epoch=Epoch(epoch), restarted=restarted
        )
        for record in (
            Put(KEYS.unit_file(file.hash), UnitFileRecord(text=file.text).encode()),
            Put(KEYS.placement(MACHINE, UnitName(name)), placement.encode()),
        ):
            self._gathered[record.key] = record
        if not self._gathering:
            self._commit()
        return placement

    @contextmanager
    def together(self) -> Iterator[None]:
        """Placements made inside are written in one transaction, or in as few as can be."""
        self._gathering = True
        yield
        self._gathering = False
        self._commit()

    def unplace(self, name: str) -> None:
        """Take a unit away from the host."""
        self.store.commit([Delete(KEYS.placement(MACHINE, UnitName(name)))])

    def states(self) -> dict[UnitName, StateRecord]:
        """What the host's agent has published."""
        prefix = KEYS.states_of(MACHINE)
        self.store.expire()
        return {
            UnitName(entry.key.removeprefix(prefix)): StateRecord.decode(entry.value)
            for entry in self.store.read(prefix).entries
        }

    def state(self, name: str) -> StateRecord | None:
        """What it has published of one unit."""
        return self.states().get(UnitName(name))

    def register_other(self, session: str, hostname: str, ttl: float) -> LeaseID:
        """Another host registers under the same id; the lease that its registration hangs on."""
        lease = self.store.grant(ttl)
        record = MachineRecord(
            id=MACHINE, session=SessionID(session), hostname=hostname, public_ip="192.0.2.9", version="1"
        )
        self.store.commit([Put(KEYS.machine(MACHINE), record.encode(), lease)])
        return lease

    def machine(self) -> MachineRecord | None:
        """The host's registration."""
        self.store.expire()
        entry = self.store.get(KEYS.machine(MACHINE))
        return None if entry is None else MachineRecord.decode(entry.value)

    def _commit(self) -> None:
        waiting = iter(self._gathered.values())
        while some := tuple(islice(waiting, MAX_OPERATIONS)):
            self.store.commit(some)
        self._gathered.clear()


class Network(FaultyRegistry):
    """What is between the host and the registry."""

    full = False
    """The registry takes no writes, as an etcd that is out of space."""
    delayed = ""
    """The next transaction that writes this key is given up by who sent it, and stays under way."""
    under_way: tuple[Sequence[Write], Sequence[Guard]] | None = None
    unanswered = ""
    """The next transaction that writes this key is carried out, and given up after a second without an answer."""

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        if self.full:
            raise RegistryFullError("out of space")
        if self.under_way is None and any(write.key == self.delayed for write in writes):
            self.under_way = writes, guards
            raise UnavailableError("no answer in time")
        revision = await super().commit(writes, guards=guards)
        if any(write.key == self.unanswered for write in writes):
            self.unanswered = ""
            await asyncio.sleep(1.0)
            raise UnavailableError("no answer in time")
        return revision


class Host:
    """One host. Its files and systemd outlast its agents."""

    def __init__(self, registry: Registry, group: asyncio.TaskGroup) -> None:
        self.files = MemoryFiles()
        self.systemd = MemorySystemd(self.files.read)
        self.reached: Systemd | None = None
        """What the agent is given in its place, to reach it through."""
        self.network = Network(MemoryRegistry(registry.store), random.Random(0))  # noqa: S311 - not a secret
        self.told: list[str] = []
        self._group = group
        self._work: list[asyncio.Task[None]] = []
        self._agent: Agent | None = None

    @property
    def agent(self) -> Agent:
        assert self._agent is not None
        return self._agent

    def start_agent(self, hostname: str = "host") -> None:
        """An agent's process starts."""
        home = Home(self.network, KEYS, MACHINE)
        keeper = Renewer(self.network, TTL, asyncio.get_running_loop().time)

        def describe(session: SessionID) -> MachineRecord:
            return MachineRecord(id=MACHINE, session=session, hostname=hostname, public_ip="192.0.2.1", version="1")

        session = Session(home, self.files, keeper, describe)
        self._agent = Agent(home, session, self.reached or self.systemd, self.files, TTL, self.told.append)
        self._work = [self._group.create_task(self._agent.run()), self._group.create_task(keeper.run())]

    async def kill_agent(self) -> None:
        """It ends, at whatever point it is."""
        for task in self._work:
            task.cancel()
        await asyncio.wait(self._work)
        if self.reached is None:
            self.systemd.detach()

    async def stop_agent(self) -> None:
        """It is asked to end, as by SIGTERM."""
        working, keeping = self._work
        working.cancel()
        await asyncio.wait([working])
        await self.agent.depart()
        keeping.cancel()
        await asyncio.wait([keeping])

    async def restart_agent(self) -> None:
        """It ends, and another one starts."""
        await self.kill_agent()
        self.start_agent()

    def reboot(self) -> None:
        """The host is switched off and on: /run is empty, nothing runs. Call it while no agent runs."""
        self.files = MemoryFiles()
        self.systemd = MemorySystemd(self.files.read)

    def history(self, *verbs: str) -> list[str]:
        """What systemd was asked to do since the last time, of these kinds."""
        done = [line for line in self.systemd.history if not verbs or line.split()[0] in verbs]
        self.systemd.history.clear()
        return done


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait, in virtual time, for something to become true."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - a condition on anything at all
            await asyncio.sleep(max(0.01, (loop.time() - began) / 20))


async def settled(seconds: float = 2.0) -> None:
    """Let virtual time pass: whatever was to happen has happened."""
    await asyncio.sleep(seconds)


@asynccontextmanager
async def one_host() -> AsyncIterator[tuple[Registry, Host]]:
    """A registry and a host of it, whose agent is not started yet."""
    async with asyncio.TaskGroup() as group:
        registry = Registry()
        host = Host(registry, group)
        yield registry, host
        if host._work:
            await host.kill_agent()
