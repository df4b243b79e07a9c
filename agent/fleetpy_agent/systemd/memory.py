"""A systemd in memory: unit files that are linked and loaded, jobs that take their time, units that run and fail.

It behaves as the real one does where the agent can tell the difference: it keeps the text that it has read until it
reloads, refuses what cannot be loaded or was never found, lets a job replace one that contradicts it, and may be away
from the bus, when calls fail and signals are lost while jobs go on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fleetpy.ids import UnitName
from fleetpy_agent.systemd.protocol import (
    NO_JOB,
    NO_SUCH_UNIT,
    NOT_FOUND,
    JobID,
    Signals,
    Systemd,
    SystemdAwayError,
    SystemdRefusedError,
    Verb,
)
from fleetpy_agent.systemd.simulated import Behaviour, SimulatedUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from fleetpy_agent.systemd.protocol import UnitStatus

LINKS = Path("/run/systemd/system")


@dataclass(slots=True)
class MemorySystemd(Systemd):
    """One host's systemd; `read` gives a unit file's text, None if there is no such file."""

    read: Callable[[Path], str | None]
    behaviours: dict[UnitName, Behaviour] = field(default_factory=dict)
    usual: Behaviour = field(default_factory=Behaviour)
    """How units behave that `behaviours` does not name."""
    latency: float = 0.0
    """Seconds that each call takes."""
    history: list[str] = field(default_factory=list)
    """What it was asked to change, in order: `start web.service`, `reload`."""
    calls: int = 0
    """How many calls it has answered."""
    stopping: bool = False
    """Whether the host is shutting down."""
    signals: Signals = field(default_factory=Signals)
    _units: dict[UnitName, SimulatedUnit] = field(default_factory=dict)
    _linked: dict[UnitName, Path] = field(default_factory=dict)
    _enabled: set[UnitName] = field(default_factory=set)
    _watched: frozenset[UnitName] = frozenset()
    _jobs: int = 0
    _away: bool = False
    _back: asyncio.Event = field(default_factory=asyncio.Event)

    def running_text(self, name: UnitName) -> str | None:
        """The text that the unit which runs was started with; None if it does not run."""
        unit = self._units.get(name)
        return unit.running if unit is not None and unit.active in {"active", "activating", "deactivating"} else None

    def running(self) -> frozenset[UnitName]:
        """Every unit of which something may run."""
        return frozenset(name for name, unit in self._units.items() if unit.status.up)

    def enabled(self) -> frozenset[UnitName]:
        """Every unit whose [Install] section is in force."""
        return frozenset(self._enabled)

    def add_host_unit(self, name: UnitName, text: str = "", fragment: str | None = None) -> None:
        """A unit of the host's own, loaded and running; `fragment` is empty for one that has no file."""
        path = f"/lib/systemd/system/{name}" if fragment is None else fragment
        self._units[name] = SimulatedUnit(
            text, hosts_own=True, running=text, load="loaded", fragment=path, active="active"
        )

    def fail(self, name: UnitName, result: str = "exit-code") -> None:
        """The unit fails by itself."""
        self._units[name].result = result
        self._become(name, "failed")

    def disconnect(self) -> None:
        """Leave the bus."""
        self._away = True
        self._back.clear()

    def reconnect(self) -> None:
        """Be on the bus again."""
        self._away = False
        self._back.set()

    def detach(self) -> None:
        """Forget who listens: the agent's process is gone."""
        for told in (self.signals.changed, self.signals.job_removed, self.signals.connected):
            told.clear()

    def watch(self, names: Collection[UnitName]) -> None:
        """See `Systemd.watch`."""
        self._watched = frozenset(names)

    async def run(self) -> NoReturn:
        """See `Systemd.run`."""
        while True:
            if not self._away:
                for tell in self.signals.connected:
                    tell()
                self._back.clear()
            await self._back.wait()

    async def statuses(self, names: Collection[UnitName]) -> Mapping[UnitName, UnitStatus]:
        """See `Systemd.statuses`."""
        await self._travel()
        return {name: self._find(name).status for name in names}

    async def since(self, name: UnitName) -> datetime | None:
        """See `Systemd.since`."""
        await self._travel()
        return self._find(name).since

    async def result(self, name: UnitName) -> str:
        """See `Systemd.result`."""
        await self._travel()
        return self._find(name).result

    async def fragment(self, name: UnitName) -> str:
        """See `Systemd.fragment`."""
        await self._travel()
        return self._find(name).fragment

    async def link(self, files: Sequence[Path]) -> None:
        """See `Systemd.link`."""
        await self._travel()
        for file in files:
            if self.read(file) is None:
                raise SystemdRefusedError(f"Unit file {file} does not exist.", NO_SUCH_UNIT)
            self._linked[UnitName(file.name)] = file
            self.history.append(f"link {file.name}")

    async def enable(self, files: Sequence[Path]) -> None:
        """See `Systemd.enable`."""
        await self.link(files)
        self._enabled.update(UnitName(file.name) for file in files)

    async def disable(self, names: Sequence[UnitName]) -> None:
        """See `Systemd.disable`."""
        await self._travel()
        for name in names:
            if name not in self._linked:
                raise SystemdRefusedError(f"Unit file {name} does not exist.", NO_SUCH_UNIT)
        for name in names:
            del self._linked[name]
            self._enabled.discard(name)
            self.history.append(f"disable {name}")

    async def reload(self) -> None:
        """See `Systemd.reload`."""
        await self._travel()
        self.history.append("reload")
        for name in self._units:
            self._load(name)

    async def enqueue(self, verb: Verb, name: UnitName) -> JobID:
        """See `Systemd.enqueue`."""
        await self._travel()
        unit, behaviour = self._find(name), self._behaviour(name)
        if behaviour.refuses or (unit.load != "loaded" and not (verb is Verb.STOP and unit.status.up)):
            absent = verb is Verb.STOP or unit.load == NOT_FOUND
            code = behaviour.refuses or (NO_SUCH_UNIT if absent else "BadUnitSetting")
            raise SystemdRefusedError(f"Unit {name} cannot {verb}: {code}", code)
        self.history.append(f"{verb} {name}")
        if unit.verb is verb:
            return unit.job
        self._end_job(name, "canceled")
        self._jobs += 1
        unit.job, unit.verb = JobID(self._jobs), verb
        self._begin(name)
        return JobID(self._jobs)

    async def reset_failed(self, name: UnitName) -> None:
        """See `Systemd.reset_failed`."""
        await self._travel()
        if self._find(name).active == "failed":
            self._units[name].result = "success"
            self._become(name, "inactive")

    async def search_path(self) -> Sequence[Path]:
        """See `Systemd.search_path`."""
        await self._travel()
        return (Path("/etc/systemd/system"), LINKS, Path("/lib/systemd/system"))

    async def shutting_down(self) -> bool:
        """See `Systemd.shutting_down`."""
        await self._travel()
        return self.stopping

    async def _travel(self) -> None:
        await asyncio.sleep(self.latency)
        self.calls += 1
        if self._away:
            raise SystemdAwayError("systemd is not on the system bus")

    def _behaviour(self, name: UnitName) -> Behaviour:
        return self.behaviours.get(name, self.usual)

    def _find(self, name: UnitName) -> SimulatedUnit:
        """The unit; its file is read if it was not found before."""
        unit = self._units.get(name)
        if unit is None:
            unit = self._units[name] = SimulatedUnit()
        if unit.load == NOT_FOUND:
            self._load(name)
        return unit

    def _load(self, name: UnitName) -> None:
        unit = self._units[name]
        if unit.hosts_own:
            return
        file = self._linked.get(name)
        text = self.read(file) if file is not None else None
        # systemd.slice(5): a slice needs no file.
        missing = "loaded" if name.endswith(".slice") else NOT_FOUND
        unit.load = missing if text is None else self._behaviour(name).load
        unit.text, unit.fragment = (text, str(LINKS / name)) if text is not None else ("", "")

    def _begin(self, name: UnitName) -> None:
        """Work on the unit's job from now on."""
        unit, behaviour = self._units[name], self._behaviour(name)
        if unit.verb is Verb.START:
            if unit.active == "active":
                self._in(0.0, lambda: self._end_job(name, "done"), unit)
                return
            self._start(name)
        else:
            if unit.active in {"inactive", "failed"}:
                stopped = self._start if unit.verb is Verb.RESTART else self._stopped
                self._in(0.0, lambda: stopped(name), unit)
                return
            self._become(name, "deactivating")
            self._in(behaviour.stop, lambda: self._stopped(name), unit)

    def _start(self, name: UnitName) -> None:
        unit, behaviour = self._units[name], self._behaviour(name)
        unit.running = unit.text
        unit.result = "success"
        self._become(name, "activating")
        self._in(behaviour.start, lambda: self._started(name), unit)

    def _started(self, name: UnitName) -> None:
        becomes = self._behaviour(name).becomes
        if becomes == "failed":
            self._units[name].result = "exit-code"
        self._become(name, becomes)
        self._end_job(name, "failed" if becomes == "failed" else "done")

    def _stopped(self, name: UnitName) -> None:
        unit = self._units[name]
        if unit.active != "failed":
            self._become(name, "inactive")
        if unit.verb is Verb.RESTART:
            self._start(name)
        else:
            self._end_job(name, "done")

    @staticmethod
    def _in(seconds: float | None, then: Callable[[], None], unit: SimulatedUnit) -> None:
        if unit.timer is not None:
            unit.timer.cancel()
        unit.timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, then)

    def _end_job(self, name: UnitName, result: str) -> None:
        unit = self._units[name]
        if unit.job == NO_JOB:
            return
        if unit.timer is not None:
            unit.timer.cancel()
        job, unit.job, unit.verb, unit.timer = unit.job, NO_JOB, None, None
        if not self._away:
            for tell in self.signals.job_removed:
                tell(job, result)

    def _become(self, name: UnitName, active: str) -> None:
        unit = self._units[name]
        if unit.active == active:
            return
        unit.active = active
        unit.since = datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)
        if not self._away and name in self._watched:
            for tell in self.signals.changed:
                tell(name, unit.since)
