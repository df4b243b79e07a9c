"""systemd as it is driven over D-Bus (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dbus_fast import Variant

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
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dbus_fast import Message

_log = logging.getLogger(__name__)

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

_SHOWN = 200
"""Characters of what is not understood, in messages."""

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
            found.update(_statuses(await self._manager("ListUnitsByNames", "as", list(some))))
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
        return _text(await self._property(name, f"{SYSTEMD}.{suffix.capitalize()}", "Result"), "Result")

    async def fragment(self, name: UnitName) -> str:
        """See `Systemd.fragment`."""
        return _text(await self._property(name, UNIT, "FragmentPath"), "FragmentPath")

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
        answer = await self._manager(_METHODS[verb], "ss", name, "replace")
        try:
            (path,) = answer
            return job_id(str(path))
        except ValueError as error:
            raise _not_understood(_METHODS[verb], answer) from error

    async def reset_failed(self, name: UnitName) -> None:
        """See `Systemd.reset_failed`."""
        try:
            await self._manager("ResetFailedUnit", "s", name)
        except SystemdRefusedError as error:
            if error.code != NO_SUCH_UNIT:
                raise

    async def search_path(self) -> Sequence[Path]:
        """See `Systemd.search_path`."""
        folders = await self._get(ROOT, MANAGER, "UnitPath")
        if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
            raise _not_understood("UnitPath", folders)
        return tuple(map(Path, folders))

    async def shutting_down(self) -> bool:
        """See `Systemd.shutting_down`."""
        return bool(await self._get(ROOT, MANAGER, "SystemState") == "stopping")

    async def _manager(self, member: str, signature: str, *body: object) -> list[object]:
        return await self._bus.call(ROOT, MANAGER, member, signature, *body)

    async def _property(self, name: UnitName, interface: str, member: str) -> object:
        return await self._get(unit_path(name), interface, member)

    async def _get(self, path: str, interface: str, member: str) -> object:
        answer = await self._bus.call(path, PROPERTIES, "Get", "ss", interface, member)
        if len(answer) != 1 or not isinstance(answer[0], Variant):
            raise _not_understood(member, answer)
        value: object = answer[0].value
        return value

    def _connected(self) -> None:
        for tell in self._signals.connected:
            tell()

    def _received(self, message: Message) -> None:
        match message.member, message.body:
            case "JobRemoved", [int(number), _, _, str(result)]:
                for tell in self._signals.job_removed:
                    tell(JobID(number), result)
            case "PropertiesChanged", [_, changed, *_] if message.path in self._watched:
                since = _since(changed)
                for tell_change in self._signals.changed:
                    tell_change(self._watched[message.path], since)
            case _:
                pass  # A signal is a hint: what it would have said is seen by looking.


def _statuses(answer: list[object]) -> Iterator[tuple[UnitName, UnitStatus]]:
    """The units of an answer to ListUnitsByNames; one that cannot be understood is passed over, and looked at again."""
    (units,) = answer if len(answer) == 1 else (None,)
    if not isinstance(units, list):
        raise _not_understood("ListUnitsByNames", answer)
    for unit in units:
        match unit:
            case [str(name), _, str(load), str(active), str(sub), _, _, int(job), _, _]:
                yield UnitName(name), UnitStatus(load, active, sub, JobID(job))
            case _:
                _log.warning("systemd says of a unit what cannot be understood: %s", _short(unit))


def _since(changed: object) -> datetime | None:
    """Since when the unit is in its active state, if the signal tells."""
    said = changed if isinstance(changed, dict) else {}
    active = getattr(said.get("ActiveState"), "value", None)
    beginning = said.get(_BEGINNINGS.get(str(active)))
    return _moment(getattr(beginning, "value", None))


def _moment(microseconds: object) -> datetime | None:
    """A time from systemd's microseconds since 1970, of which 0 means never; cut to milliseconds."""
    if not isinstance(microseconds, int) or not microseconds:
        return None
    try:
        return datetime.fromtimestamp(microseconds // 1000 / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # No calendar has it.
        return None


def _text(value: object, member: str) -> str:
    if not isinstance(value, str):
        raise _not_understood(member, value)
    return value


def _not_understood(member: str, answer: object) -> SystemdAwayError:
    """An answer that systemd never gives: nothing is known of what became of the call."""
    return SystemdAwayError(f"{member} was answered with what cannot be understood: {_short(answer)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _chunks(items: Collection[Any]) -> Iterator[tuple[Any, ...]]:
    waiting = iter(items)
    while some := tuple(islice(waiting, _NAMES_AT_ONCE)):
        yield some
