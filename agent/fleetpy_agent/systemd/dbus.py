"""systemd as it is driven over D-Bus (org.freedesktop.systemd1(5))."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fleetpy.ids import UnitName
from fleetpy_agent.systemd.bus import MANAGER, PROPERTIES, SYSTEMD, UNIT, SystemdBus
from fleetpy_agent.systemd.paths import ROOT, job_id, unit_path
from fleetpy_agent.systemd.protocol import (
    NO_SUCH_UNIT,
    JobID,
    Signals,
    Systemd,
    SystemdAwayError,
    SystemdRefusedError,
    UnitStatus,
    Verb,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dbus_fast import Message

RELOAD_TIMEOUT = 120.0
"""Seconds that a reload may take: a fraction of one as a rule, but it runs every generator of the host."""

_NAMES_AT_ONCE = 256
"""Names in one call: far below what the socket takes at once."""

_METHODS = {Verb.START: "StartUnit", Verb.STOP: "StopUnit", Verb.RESTART: "RestartUnit"}

_BEGINNINGS = {
    "active": "ActiveEnterTimestamp",
    "reloading": "ActiveEnterTimestamp",
    "activating": "InactiveExitTimestamp",
    "deactivating": "ActiveExitTimestamp",
    "inactive": "InactiveEnterTimestamp",
    "failed": "InactiveEnterTimestamp",
}
"""Which property says since when a unit is in an active state: as `systemctl status` has it."""

_TYPES_WITH_RESULT = {"automount", "mount", "path", "scope", "service", "socket", "swap", "timer"}


class DBusSystemd(Systemd):
    """The host's own systemd, on the system bus."""

    def __init__(self) -> None:
        self._signals = Signals()
        self._watched: dict[str, UnitName] = {}
        self._bus = SystemdBus(self._received, self._connected)

    @property
    def signals(self) -> Signals:
        """See `Systemd.signals`."""
        return self._signals

    def watch(self, names: Collection[UnitName]) -> None:
        """See `Systemd.watch`."""
        self._watched = {unit_path(name): name for name in names}

    async def run(self) -> NoReturn:
        """See `Systemd.run`."""
        await self._bus.run()

    async def statuses(self, names: Collection[UnitName]) -> Mapping[UnitName, UnitStatus]:
        """See `Systemd.statuses`."""
        found: dict[UnitName, UnitStatus] = {}
        for some in _chunks(names):
            (units,) = await self._manager("ListUnitsByNames", "as", list(some))
            for name, _description, load, active, sub, _following, _path, job, _type, _job_path in _rows(units):
                found[UnitName(name)] = UnitStatus(load, active, sub, JobID(job))
        return found

    async def since(self, name: UnitName) -> datetime | None:
        """See `Systemd.since`."""
        active = await self._property(name, UNIT, "ActiveState")
        beginning = _BEGINNINGS.get(str(active))
        return None if beginning is None else _moment(await self._property(name, UNIT, beginning))

    async def result(self, name: UnitName) -> str:
        """See `Systemd.result`."""
        suffix = name.rpartition(".")[2]
        if suffix not in _TYPES_WITH_RESULT:
            return ""
        return str(await self._property(name, f"{SYSTEMD}.{suffix.capitalize()}", "Result"))

    async def fragment(self, name: UnitName) -> str:
        """See `Systemd.fragment`."""
        return str(await self._property(name, UNIT, "FragmentPath"))

    async def link(self, files: Sequence[Path]) -> None:
        """See `Systemd.link`; a link of ours that points elsewhere is replaced."""
        for some in _chunks(files):
            await self._manager("LinkUnitFiles", "asbb", [str(file) for file in some], True, True)  # noqa: FBT003

    async def enable(self, files: Sequence[Path]) -> None:
        """See `Systemd.enable`."""
        for some in _chunks(files):
            await self._manager("EnableUnitFiles", "asbb", [str(file) for file in some], True, True)  # noqa: FBT003

    async def disable(self, names: Sequence[UnitName]) -> None:
        """See `Systemd.disable`."""
        for some in _chunks(names):
            await self._manager("DisableUnitFiles", "asb", list(some), True)  # noqa: FBT003

    async def reload(self) -> None:
        """See `Systemd.reload`."""
        try:
            await self._bus.call(ROOT, MANAGER, "Reload", timeout=RELOAD_TIMEOUT)
        except SystemdRefusedError as error:  # Too many of them in too short a time, or no room left in /run.
            raise SystemdAwayError(f"systemd does not reload now: {error}") from error

    async def enqueue(self, verb: Verb, name: UnitName) -> JobID:
        """See `Systemd.enqueue`."""
        (path,) = await self._manager(_METHODS[verb], "ss", name, "replace")
        return job_id(str(path))

    async def reset_failed(self, name: UnitName) -> None:
        """See `Systemd.reset_failed`."""
        try:
            await self._manager("ResetFailedUnit", "s", name)
        except SystemdRefusedError as error:
            if error.code != NO_SUCH_UNIT:
                raise

    async def search_path(self) -> Sequence[Path]:
        """See `Systemd.search_path`."""
        return tuple(Path(folder) for folder in await self._get(ROOT, MANAGER, "UnitPath"))

    async def shutting_down(self) -> bool:
        """See `Systemd.shutting_down`."""
        return bool(await self._get(ROOT, MANAGER, "SystemState") == "stopping")

    async def _manager(self, member: str, signature: str, *body: object) -> list[object]:
        return await self._bus.call(ROOT, MANAGER, member, signature, *body)

    async def _property(self, name: UnitName, interface: str, member: str) -> object:
        return await self._get(unit_path(name), interface, member)

    async def _get(self, path: str, interface: str, member: str) -> Any:
        (variant,) = await self._bus.call(path, PROPERTIES, "Get", "ss", interface, member)
        return getattr(variant, "value", None)

    def _connected(self) -> None:
        for tell in self._signals.connected:
            tell()

    def _received(self, message: Message) -> None:
        if message.member == "JobRemoved":
            number, _path, _unit, result = message.body
            for tell in self._signals.job_removed:
                tell(JobID(number), result)
        elif message.member == "PropertiesChanged" and (name := self._watched.get(message.path or "")) is not None:
            since = _since(message.body[1])
            for tell_change in self._signals.changed:
                tell_change(name, since)


def _since(changed: Mapping[str, Any]) -> datetime | None:
    """Since when the unit is in its active state, if the signal tells."""
    active = changed.get("ActiveState")
    beginning = changed.get(_BEGINNINGS.get(active.value, "")) if active is not None else None
    return None if beginning is None else _moment(beginning.value)


def _moment(microseconds: object) -> datetime | None:
    """A time from systemd's microseconds since 1970, of which 0 means never; cut to milliseconds."""
    if not isinstance(microseconds, int) or not microseconds:
        return None
    return datetime.fromtimestamp(microseconds // 1000 / 1000, UTC)


def _rows(units: object) -> Iterable[Any]:
    return units if isinstance(units, list) else ()


def _chunks(items: Collection[Any]) -> Iterator[tuple[Any, ...]]:
    waiting = iter(items)
    while some := tuple(islice(waiting, _NAMES_AT_ONCE)):
        yield some
