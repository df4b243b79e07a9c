"""A systemd in memory on a bus of its own: the whole agent is run against it, through its D-Bus client.

What can befall the bus can befall it here: it falls silent, is slow, talks nonsense, loses answers, closes connections.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dbus_fast import Message, Variant

from fleetpy.ids import UnitName
from fleetpy_agent.systemd.bus import PROPERTIES, SYSTEMD, UNIT
from fleetpy_agent.systemd.dbus import DBusSystemd
from fleetpy_agent.systemd.paths import ROOT, unit_path
from fleetpy_agent.systemd.protocol import SystemdRefusedError, Verb
from tests.unit.agent.bus import ROW, Answer, Bus
from tests.unit.agent.harness import one_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from fleetpy_agent.systemd.memory import MemorySystemd
    from fleetpy_agent.systemd.protocol import JobID
    from tests.unit.agent.harness import Host, Registry

_VERBS = {"StartUnit": Verb.START, "StopUnit": Verb.STOP, "RestartUnit": Verb.RESTART}


class HostBus(Bus):
    """`systemd` answers, unless the bus is in trouble; `path` is where the bus listens."""

    def __init__(self, systemd: MemorySystemd, path: Path) -> None:
        super().__init__()
        self.delay = 0.0
        """Seconds that each answer takes."""
        self.silent = False
        """No call is carried out or answered, and nothing is signalled."""
        self.deaf = ""
        """Calls of this member are carried out, and their answers lost."""
        self.frozen = False
        """Whatever is sent waits."""
        self.subscriptions = 0
        """How often somebody has subscribed to signals."""
        self._systemd = systemd
        self._path = path
        self._names: dict[str, UnitName] = {}
        self._thawed = asyncio.Event()
        self._calls: asyncio.Queue[Message] = asyncio.Queue()
        systemd.signals.job_removed.append(self._job_removed)
        systemd.signals.changed.append(self._changed)

    async def run(self) -> NoReturn:
        """Answer, one call after another."""
        while True:
            call = await self._calls.get()
            while self.frozen:
                self._thawed.clear()
                await self._thawed.wait()
            if not self.silent:
                await self._carry_out(call)

    def thaw(self) -> None:
        """What has been waiting is carried out."""
        self.frozen = False
        self._thawed.set()

    async def listen(self) -> asyncio.Server:
        """Let clients connect."""
        return await asyncio.start_unix_server(self.serve, self._path)

    def leave(self) -> None:
        """systemd leaves the bus for a moment, and forgets who has subscribed: it executes itself again."""
        for _ in ("it goes", "it comes back"):
            self.signal("NameOwnerChanged", "sss", [SYSTEMD, "", ""], "/org/freedesktop/DBus", "org.freedesktop.DBus")

    def _answer(self, call: Message) -> None:
        self._calls.put_nowait(call)

    async def _carry_out(self, call: Message) -> None:
        await asyncio.sleep(self.delay)
        member = call.member or ""
        if member in self.answers:
            super()._answer(call)
            return
        try:
            answer = await self._ask(member, call.body)
        except SystemdRefusedError as error:
            self._reply(Message.new_error(call, f"{SYSTEMD}.{error.code}", str(error)))
            return
        if answer is None:
            super()._answer(call)
        elif member != self.deaf:
            self._reply(Message.new_method_return(call, *answer))

    async def _ask(self, member: str, body: list[Any]) -> Answer:
        """What systemd says; None where it is of no matter."""
        systemd = self._systemd
        match member:
            case "ListUnitsByNames":
                names = [UnitName(name) for name in body[0]]
                self._names.update((unit_path(name), name) for name in names)
                systemd.watch(self._names.values())
                statuses = await systemd.statuses(names)
                return ROW, [
                    [
                        [name, "", said.load, said.active, said.sub, "", unit_path(name), said.job, "", "/"]
                        for name, said in statuses.items()
                    ]
                ]
            case "StartUnit" | "StopUnit" | "RestartUnit":
                return "o", [f"{ROOT}/job/{await systemd.enqueue(_VERBS[member], UnitName(body[0]))}"]
            case "LinkUnitFiles":
                await systemd.link([Path(file) for file in body[0]])
            case "EnableUnitFiles":
                await systemd.enable([Path(file) for file in body[0]])
            case "DisableUnitFiles":
                await systemd.disable([UnitName(name) for name in body[0]])
            case "ResetFailedUnit":
                await systemd.reset_failed(UnitName(body[0]))
            case "Reload":
                await systemd.reload()
            case "Subscribe":
                self.subscriptions += 1
            case "Get":
                return "v", [await self._property(body[1])]
        return None

    async def _property(self, member: str) -> Variant:
        match member:
            case "UnitPath":
                return Variant("as", [str(folder) for folder in await self._systemd.search_path()])
            case "SystemState":
                return Variant("s", "stopping" if self._systemd.stopping else "running")
            case "Result":
                return Variant("s", "exit-code")
            case _:
                return Variant("s", "")

    def _job_removed(self, job: JobID, result: str) -> None:
        self._tell("JobRemoved", "uoss", [job, f"{ROOT}/job/{job}", "", result])

    def _changed(self, name: UnitName, _since: datetime | None) -> None:
        self._tell("PropertiesChanged", "sa{sv}as", [UNIT, {}, []], unit_path(name), PROPERTIES)

    def _tell(self, member: str, signature: str, body: list[Any], *where: str) -> None:
        if self.connected and not self.silent and not self.frozen:
            self.signal(member, signature, body, *where)

    def _reply(self, message: Message) -> None:
        if self.connected:
            self._send(message)


@asynccontextmanager
async def host_on_a_bus(path: Path) -> AsyncIterator[tuple[Registry, Host, HostBus]]:
    """A host whose agent reaches systemd over a bus; that address is to be the system bus's."""
    async with one_host() as (registry, host), asyncio.TaskGroup() as group:
        bus = HostBus(host.systemd, path)
        host.reached = DBusSystemd()
        answering = group.create_task(bus.run())
        async with await bus.listen():
            yield registry, host, bus
            await host.kill_agent()
        answering.cancel()
