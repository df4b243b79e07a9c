"""Answers that systemd never gives over D-Bus: a call ends as one that nothing is known of, and the next is taken."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast import Variant

from fleetpy.ids import UnitName
from fleetpy_agent.systemd.bus import PROPERTIES, UNIT
from fleetpy_agent.systemd.dbus import DBusSystemd
from fleetpy_agent.systemd.paths import unit_path
from fleetpy_agent.systemd.protocol import JobID, SystemdAwayError, SystemdRefusedError, UnitStatus, Verb
from tests.unit.agent.bus import ROW, Answer, Bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

WEB, DB = UnitName("web.service"), UnitName("db.service")


def row(name: Any, active: Any = "active", job: Any = 0) -> list[Any]:
    return [name, "", "loaded", active, "running", "", unit_path(WEB), job, "", "/"]


@asynccontextmanager
async def connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[tuple[Bus, DBusSystemd]]:
    bus, systemd = Bus(), DBusSystemd()
    ready = asyncio.Event()
    systemd.signals.connected.append(ready.set)
    server = await asyncio.start_unix_server(bus.serve, tmp_path / "bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    async with server, asyncio.TaskGroup() as group:
        running = group.create_task(systemd.run())
        await ready.wait()
        yield bus, systemd
        running.cancel()


CALLS: dict[str, Callable[[DBusSystemd], Awaitable[object]]] = {
    "ListUnitsByNames": lambda systemd: systemd.statuses([WEB]),
    "StartUnit": lambda systemd: systemd.enqueue(Verb.START, WEB),
    "LinkUnitFiles": lambda systemd: systemd.link([Path("/run/web.service")]),
    "DisableUnitFiles": lambda systemd: systemd.disable([WEB]),
    "ResetFailedUnit": lambda systemd: systemd.reset_failed(WEB),
    "Reload": lambda systemd: systemd.reload(),
}
GETS: dict[str, Callable[[DBusSystemd], Awaitable[object]]] = {
    "since": lambda systemd: systemd.since(WEB),
    "result": lambda systemd: systemd.result(WEB),
    "fragment": lambda systemd: systemd.fragment(WEB),
    "search_path": lambda systemd: systemd.search_path(),
    "shutting_down": lambda systemd: systemd.shutting_down(),
}
ODD: list[Answer] = [
    ("", []),
    ("s", ["what?"]),
    ("u", [7]),
    ("as", [["a", "b"]]),
    ("a{sv}", [{"a": Variant("s", "b")}]),
    ("v", [Variant("u", 7)]),
    ("v", [Variant("as", [])]),
    ("v", [Variant("t", 2**64 - 1)]),
    ("ss", ["a", "b"]),
    ("o", ["/org/freedesktop/systemd1/job/x"]),
    ("a(ss)", [[["a", "b"]]]),
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.DBus.Error.NoReply",
    "an.error.of.Nobody",
]


@pytest.mark.parametrize("answer", ODD, ids=str)
async def test_an_odd_answer_breaks_nothing_and_the_next_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Answer
) -> None:
    async with connected(monkeypatch, tmp_path) as (bus, systemd):
        for member, call in [*CALLS.items(), *(("Get", get) for get in GETS.values())]:
            bus.answers[member] = answer
            try:
                await call(systemd)
            except (SystemdAwayError, SystemdRefusedError) as error:
                said = str(error)
                assert said
            del bus.answers[member]
        bus.answers["ListUnitsByNames"] = (ROW, [[row(WEB)]])
        assert await systemd.statuses([WEB]) == {WEB: UnitStatus("loaded", "active", "running")}


async def test_a_unit_whose_row_is_odd_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(monkeypatch, tmp_path) as (bus, systemd):
        bus.answers["ListUnitsByNames"] = ("av", [[Variant("s", "x")]])
        assert await systemd.statuses([WEB, DB]) == {}
        assert "systemd says of a unit what cannot be understood" in caplog.text
        bus.answers["ListUnitsByNames"] = (ROW, [[row(WEB, "flying", 2**32 - 1), row(DB)]])
        found = await systemd.statuses([WEB, DB])
        assert found[WEB].active == "flying"
        assert found[WEB].up
        assert found[DB] == UnitStatus("loaded", "active", "running")


async def test_an_odd_answer_names_the_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with connected(monkeypatch, tmp_path) as (bus, systemd):
        bus.answers["StartUnit"] = ("s", ["nonsense"])
        with pytest.raises(SystemdAwayError, match=r"StartUnit was answered with what cannot be understood: \['nons"):
            await systemd.enqueue(Verb.START, WEB)
        bus.answers["Get"] = ("v", [Variant("u", 7)])
        with pytest.raises(SystemdAwayError, match="FragmentPath was answered with what cannot be understood: 7"):
            await systemd.fragment(WEB)


async def test_odd_signals_are_hints_at_most(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(monkeypatch, tmp_path) as (bus, systemd):
        told: list[object] = []
        ended = asyncio.Event()

        def job_removed(job: JobID, result: str) -> None:
            told.append((job, result))
            ended.set()

        systemd.signals.job_removed.append(job_removed)
        systemd.signals.changed.append(lambda name, since: told.append((name, since)))
        systemd.watch([WEB])
        odd: list[tuple[str, list[Any]]] = [("", []), ("s", ["x"]), ("uoss", [1, "/", WEB, "done"]), ("u", [3])]
        for signature, body in odd:
            bus.signal("JobRemoved", signature, body)
        path, since = unit_path(WEB), {"ActiveState": Variant("s", "active"), "ActiveEnterTimestamp": Variant("s", "x")}
        odd = [
            ("", []),
            ("s", [UNIT]),
            ("ss", [UNIT, "x"]),
            ("sa{sv}as", [UNIT, {"ActiveState": Variant("u", 7)}, []]),
            ("sa{sv}as", [UNIT, since, []]),
            ("sa{sv}as", [UNIT, since | {"ActiveEnterTimestamp": Variant("t", 2**64 - 1)}, []]),
        ]
        for signature, body in odd:
            bus.signal("PropertiesChanged", signature, body, path, PROPERTIES)
        bus.signal("NameOwnerChanged", "", [], "/org/freedesktop/DBus", "org.freedesktop.DBus")
        bus.signal("Unheard", "s", ["of"])
        bus.signal("JobRemoved", "uoss", [9, "/", "web.service", "done"])
        while (9, "done") not in told:
            ended.clear()
            await ended.wait()
        assert told == [(1, "done"), *[(WEB, None)] * 4, (9, "done")]
        assert caplog.text == ""


async def test_a_bus_that_speaks_no_dbus_is_connected_to_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with connected(monkeypatch, tmp_path) as (bus, systemd):
        again = asyncio.Event()
        systemd.signals.connected.append(again.set)
        bus.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
        await again.wait()
        assert await systemd.statuses([]) == {}
