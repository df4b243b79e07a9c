"""The whole agent, while systemd or its bus is silent, slow, gone or talks nonsense.

The host stays part of the cluster, what runs is left alone, and afterwards all is carried out and told.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import UnitName
from tests.unit.agent.harness import DB, KEYS, MACHINE, WEB, until
from tests.unit.agent.host_bus import HostBus, host_on_a_bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.unit.agent.bus import Answer
    from tests.unit.agent.harness import Host, Registry

pytestmark = pytest.mark.looptime

OTHER = UnitName("other.service")
LASTS = 75.0
"""Seconds of trouble: several leases, and longer than two calls are waited for."""


@asynccontextmanager
async def silence(bus: HostBus) -> AsyncIterator[None]:
    """What is asked meanwhile is never answered."""
    bus.silent = True
    yield
    bus.silent = False


@asynccontextmanager
async def freeze(bus: HostBus) -> AsyncIterator[None]:
    """What is asked meanwhile is carried out and answered afterwards, all of it."""
    bus.frozen = True
    yield
    bus.thaw()


@asynccontextmanager
async def slowness(bus: HostBus) -> AsyncIterator[None]:
    """Every answer takes half a lease."""
    bus.delay = 5.0
    yield
    bus.delay = 0.0


@asynccontextmanager
async def nonsense(bus: HostBus) -> AsyncIterator[None]:
    """Every answer is one that systemd never gives."""
    odd: Answer = ("ss", ["what", "ever"])
    asked = ("ListUnitsByNames", "LinkUnitFiles", "StartUnit", "StopUnit", "Get", "Reload", "Subscribe", "NameHasOwner")
    bus.answers = dict.fromkeys(asked, odd)
    yield
    bus.answers = {}


@asynccontextmanager
async def errors(bus: HostBus) -> AsyncIterator[None]:
    """Every call fails, as on a bus that is full."""
    bus.answers = dict.fromkeys(("ListUnitsByNames", "StartUnit", "Get"), "org.freedesktop.DBus.Error.LimitsExceeded")
    yield
    bus.answers = {}


@asynccontextmanager
async def reexecution(bus: HostBus) -> AsyncIterator[None]:
    """systemd has left the bus, and come back at once: what it signalled meanwhile is lost."""
    bus.silent = True
    yield
    bus.silent = False
    bus.leave()


@asynccontextmanager
async def lost_connections(bus: HostBus) -> AsyncIterator[None]:
    """The bus closes every connection as soon as something is asked over it."""
    bus.hang_up()
    bus.silent = True
    yield
    bus.silent = False
    if bus.connected:
        bus.hang_up()


async def registered_all_the_time(registry: Registry) -> None:
    """Until cancelled: the machine is never taken for dead."""
    first = registry.store.get(KEYS.machine(MACHINE))
    assert first is not None
    while True:
        assert registry.machine() is not None
        now = registry.store.get(KEYS.machine(MACHINE))
        assert now is not None
        assert now.create_revision == first.create_revision
        await asyncio.sleep(0.5)


def is_told(registry: Registry, name: UnitName, active: str) -> Callable[[], bool]:
    return lambda: (state := registry.state(name)) is not None and state.active == active


@asynccontextmanager
async def one_that_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[tuple[Registry, Host, HostBus]]:
    """A host that runs two units, and stays part of the cluster whatever happens."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    async with host_on_a_bus(tmp_path / "bus") as (registry, host, bus), asyncio.TaskGroup() as group:
        registry.place(WEB)
        registry.place(OTHER)
        host.start_agent()
        await until(is_told(registry, WEB, "active"))
        await until(is_told(registry, OTHER, "active"))
        host.history()
        watching = group.create_task(registered_all_the_time(registry))
        yield registry, host, bus
        watching.cancel()


@pytest.mark.parametrize("trouble", [silence, freeze, slowness, nonsense, errors, reexecution, lost_connections])
async def test_trouble_on_the_bus_costs_no_lease_touches_no_unit_and_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trouble: Callable[[HostBus], AbstractAsyncContextManager[None]]
) -> None:
    async with one_that_works(monkeypatch, tmp_path) as (registry, host, bus):
        async with trouble(bus):
            host.systemd.fail(WEB)
            registry.place(DB)
            await asyncio.sleep(LASTS)
            assert OTHER in host.systemd.running()
        await until(is_told(registry, DB, "active"))
        await until(is_told(registry, WEB, "failed"))
        assert host.systemd.running() == {DB, OTHER}
        assert set(host.history("start", "stop", "restart")) == {"start db.service"}
        assert is_told(registry, OTHER, "active")()


@pytest.mark.parametrize("member", ["StartUnit", "StopUnit", "LinkUnitFiles", "DisableUnitFiles"])
async def test_an_answer_that_is_lost_holds_up_no_other_unit_for_long_and_nothing_is_done_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, member: str
) -> None:
    async with one_that_works(monkeypatch, tmp_path) as (registry, host, bus):
        bus.deaf = member
        registry.place(DB)
        registry.unplace(WEB)
        await asyncio.sleep(LASTS)
        bus.deaf = ""
        await until(is_told(registry, DB, "active"))
        await until(lambda: registry.state(WEB) is None)
        assert host.systemd.running() == {DB, OTHER}
        assert host.files.records().keys() == {DB, OTHER}
        assert host.history("restart") == []


async def test_systemd_is_subscribed_to_again_when_it_has_executed_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with one_that_works(monkeypatch, tmp_path) as (registry, host, bus):
        before = bus.subscriptions
        bus.leave()
        await until(lambda: bus.subscriptions > before)
        host.systemd.fail(WEB)
        await until(is_told(registry, WEB, "failed"), patience=1.0)


async def test_an_agent_that_is_started_while_the_bus_is_silent_takes_over_when_it_speaks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    async with host_on_a_bus(tmp_path / "bus") as (registry, host, bus):
        bus.silent = True
        registry.place(WEB)
        host.start_agent()
        await asyncio.sleep(LASTS)
        assert registry.machine() is None
        bus.silent = False
        await until(is_told(registry, WEB, "active"))
