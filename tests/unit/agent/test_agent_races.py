"""A slow agent and a scheduler that has gone on: what is not ours any more is not started, whatever we have read.

The scheduler gives a unit to another machine when it sees neither a placement nor a state of it here. So a unit that
is not placed here any more must have a state until nothing of it is left; `Watchman` looks all the time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import SessionID, UnitName
from fleetpy.model.records import MachineRecord
from fleetpy.registry.lease import Renewer
from fleetpy_agent.home import Home
from fleetpy_agent.memory_files import MemoryFiles
from fleetpy_agent.publisher import Publisher
from fleetpy_agent.reconcile import Picture
from fleetpy_agent.report import Findings, report
from fleetpy_agent.session import Session
from fleetpy_agent.systemd.protocol import Verb
from fleetpy_agent.systemd.simulated import Behaviour
from tests.support.faulty import Faults
from tests.unit.agent.harness import (
    DB,
    KEYS,
    LAUNCHED,
    LOADED,
    MACHINE,
    TTL,
    WEB,
    Host,
    Registry,
    one_host,
    settled,
    text,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fleetpy.model.records import StateRecord

pytestmark = pytest.mark.looptime

LATE = Faults(late=3.0)
OTHER = UnitName("other.service")


class Watchman:
    """Gives each unit to another machine as soon as the scheduler would; notes those that run here all the same."""

    def __init__(self, registry: Registry, host: Host) -> None:
        self.twice: set[UnitName] = set()
        self._registry = registry
        self._host = host
        self._elsewhere: set[UnitName] = set()
        self._kept: set[UnitName] = set()

    async def run(self) -> None:
        revision = None
        while True:
            if self._registry.store.revision != revision:
                revision = self._registry.store.revision
                self._look()
            self.twice |= self._host.systemd.running() & self._elsewhere
            await asyncio.sleep(0.02)

    def _look(self) -> None:
        prefix = KEYS.placements_of(MACHINE)
        placed = {UnitName(entry.key.removeprefix(prefix)) for entry in self._registry.store.read(prefix).entries}
        before, self._kept = (
            self._kept,
            {
                *placed,
                *(name for name, state in self._registry.states().items() if state.refused is None),
            },
        )
        self._elsewhere = (self._elsewhere - placed) | (before - self._kept)


@asynccontextmanager
async def watched_host() -> AsyncIterator[tuple[Registry, Host]]:
    """One host with a watchman, who must have noted nothing in the end."""
    async with one_host() as (registry, host), asyncio.TaskGroup() as group:
        watchman = Watchman(registry, host)
        watching = group.create_task(watchman.run())
        yield registry, host
        watching.cancel()
        assert watchman.twice == set()


async def registered(registry: Registry, host: Host, *names: str) -> None:
    """Start the agent, with units that run already."""
    for name in names:
        registry.place(name)
    host.start_agent()
    await until(lambda: registry.machine() is not None and host.systemd.running() == frozenset(names))
    await settled()
    host.history()


async def test_what_was_taken_back_before_the_agent_saw_it_come_is_never_started() -> None:
    async with watched_host() as (registry, host):
        await registered(registry, host)
        host.network.faults = LATE
        registry.place(WEB)
        await settled(2.0)
        registry.unplace(WEB)
        await settled(1.5)  # By now it has seen the first, and not yet the second.
        assert registry.states() == {}
        await settled(20.0)
        assert host.history() == []
        assert registry.states() == {}


async def test_what_comes_back_while_nobody_knows_whether_its_state_is_gone_is_announced_before_it_is_started() -> None:
    async with watched_host() as (registry, host):
        await registered(registry, host, WEB)
        host.network.unanswered = KEYS.state(MACHINE, WEB)
        registry.unplace(WEB)
        await until(lambda: registry.state(WEB) is None)
        registry.place(WEB, uid=70, epoch=71)
        await settled(0.8)
        assert host.history("start") == []
        await until(lambda: WEB in host.systemd.running())
        assert registry.state(WEB) is not None


async def test_of_many_units_those_that_were_taken_back_hold_up_none_of_the_others() -> None:
    async with watched_host() as (registry, host):
        await registered(registry, host)
        before = registry.store.get(KEYS.machine(MACHINE))
        names = [UnitName(f"u{number:03}.service") for number in range(300)]
        gone, left = set(names[::50]), set(names) - set(names[::50])
        host.network.faults = LATE
        with registry.together():
            for name in names:
                registry.place(name)
        await settled(2.0)
        for name in gone:
            registry.unplace(name)
        began = registry.store.revision
        await until(lambda: host.systemd.running() == left, patience=12.0)
        assert registry.store.revision - began < 20
        await settled(20.0)
        assert set(registry.states()) == left
        assert {line.split()[1] for line in host.history()} == left
        assert registry.store.get(KEYS.machine(MACHINE)) == before


async def test_what_came_anew_before_the_agent_saw_it_go_is_started_as_the_newer_one() -> None:
    async with watched_host() as (registry, host):
        await registered(registry, host)
        host.network.faults = LATE
        registry.place(WEB, "sleep 1", uid=1, epoch=1)
        await settled(1.0)
        registry.unplace(WEB)
        registry.place(WEB, "sleep 2", uid=9, epoch=9)
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "active")
        assert (state := registry.state(WEB)) is not None
        assert (state.uid, state.epoch) == (9, 9)
        assert host.systemd.running_text(WEB) == text("sleep 2")
        assert host.history("start", "stop") == ["start web.service"]


async def test_a_unit_taken_back_while_others_stop_keeps_its_state_until_nothing_is_left_of_it() -> None:
    async with watched_host() as (registry, host):
        host.systemd.behaviours[DB] = Behaviour(stop=30.0)
        host.systemd.behaviours[WEB] = Behaviour(stop=1.0)
        await registered(registry, host, DB, OTHER)
        registry.unplace(DB)
        registry.place(WEB)
        await until(lambda: registry.state(WEB) is not None)
        await settled(0.1)
        registry.unplace(WEB)
        host.systemd.fail(OTHER)  # Has the agent publish what there is to say.
        await until(lambda: set(registry.states()) == {OTHER})
        assert set(host.files.records()) == {OTHER}


async def test_a_unit_taken_back_while_its_text_is_replaced_keeps_its_state_until_nothing_is_left_of_it() -> None:
    async with watched_host() as (registry, host):
        failed = [DB, *(UnitName(f"e{number}.service") for number in range(5))]
        await registered(registry, host, *failed, OTHER)
        for name in failed:
            host.systemd.fail(name)
        await settled()
        host.systemd.latency = 0.5
        host.systemd.behaviours[DB] = Behaviour(stop=10.0)
        with registry.together():
            for name in failed:
                registry.place(name, "sleep 2")
        await until(lambda: DB not in host.files.texts)
        registry.unplace(DB)
        host.systemd.fail(OTHER)
        await until(lambda: set(registry.states()) == {*failed[1:], OTHER})
        await until(lambda: host.systemd.running() == set(failed[1:]))


async def test_a_refusal_does_not_stand_for_a_state() -> None:
    async with watched_host() as (registry, host):
        await registered(registry, host)
        host.files.host_units[WEB] = "/etc/systemd/system/web.service"
        registry.place(WEB)
        await until(lambda: (state := registry.state(WEB)) is not None and state.refused is not None)
        await settled()
        host.network.faults = LATE
        registry.unplace(WEB)
        host.files.host_units.clear()
        registry.place(DB)
        await settled(2.0)
        registry.unplace(DB)
        host.systemd.signals.connected[-1]()  # It looks at everything anew.
        await settled(20.0)
        assert host.history("start") == []


async def test_a_start_that_was_read_before_the_lease_was_lost_is_not_carried_out_after() -> None:
    async with one_host() as (registry, host):
        await registered(registry, host)
        registry.place(DB, goal=LOADED)
        await until(lambda: (state := registry.state(DB)) is not None and state.goal is LOADED)
        host.systemd.latency = 7.0
        registry.place(WEB)
        await until(lambda: registry.state(WEB) is not None)
        await host.network.cut(off=True)
        await settled(100.0)
        assert registry.machine() is None
        assert host.history("start") == []
        host.systemd.latency = 0.0
        await host.network.cut(off=False)
        await until(lambda: host.systemd.running() == {WEB})


async def test_a_wish_that_comes_late_is_not_carried_out_by_a_machine_that_may_have_lost_its_lease() -> None:
    async with one_host() as (registry, host):
        await registered(registry, host)
        registry.place(WEB, goal=LOADED)
        await until(lambda: (state := registry.state(WEB)) is not None and state.goal is LOADED)
        host.network.faults = Faults(late=TTL + 5.0, refused=1.0)
        registry.place(WEB, goal=LAUNCHED)
        await settled(TTL + 10.0)
        assert registry.machine() is None
        assert host.history("start") == []
        host.network.faults = Faults()
        await until(lambda: host.systemd.running() == {WEB})


async def test_a_socket_that_starts_a_unit_while_it_is_unloaded_does_not_leave_it_behind() -> None:
    async with watched_host() as (registry, host):
        registry.place(WEB, goal=LOADED)
        await registered(registry, host)
        host.systemd.behaviours[DB] = Behaviour(stop=30.0)
        registry.place(DB)
        await until(lambda: DB in host.systemd.running())
        await settled()
        registry.unplace(DB)
        registry.unplace(WEB)
        await settled(0.2)
        await host.systemd.enqueue(Verb.START, WEB)
        await until(lambda: registry.states() == {})
        assert host.systemd.running() == frozenset()


async def test_a_state_keeps_a_unit_only_on_a_machine_that_is_registered() -> None:
    registry = Registry()
    network = Host(registry, asyncio.TaskGroup()).network
    home = Home(network, KEYS, MACHINE)
    placement = registry.place(WEB)
    picture = Picture({WEB: placement}, {}, {})

    def compose() -> Mapping[UnitName, StateRecord]:
        return report(picture, Findings())

    def describe(session: SessionID) -> MachineRecord:
        return MachineRecord(id=MACHINE, session=session, hostname="host", public_ip="192.0.2.1", version="1")

    session = Session(home, MemoryFiles(), Renewer(network, TTL, asyncio.get_running_loop().time), describe)
    publisher = Publisher(home, session, compose, lambda _: None, frozenset)
    await session.prepare(0.0)
    assert await publisher.ensure([WEB]) == frozenset()
    await session.complete()
    publisher.start()
    assert await publisher.ensure([WEB]) == {WEB}
    session.lose("as a test")
    assert await publisher.ensure([WEB]) == frozenset()
