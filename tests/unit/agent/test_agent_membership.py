"""Registering, leaving, being away, and coming back, on one host in memory."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

import pytest

from fleetpy.model.records import MachineRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy.registry.protocol import Delete, GuardFailedError, Put, Store
from fleetpy_agent.session import SavedSession
from fleetpy_agent.systemd.protocol import Verb
from fleetpy_agent.systemd.simulated import Behaviour
from tests.support.backup import backup, renewed
from tests.support.faulty import Faults
from tests.unit.agent.harness import (
    DB,
    KEYS,
    LOADED,
    MACHINE,
    TTL,
    WEB,
    Host,
    Network,
    Registry,
    one_host,
    settled,
    text,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Guard, Write
    from fleetpy_agent.systemd.memory import MemorySystemd

pytestmark = pytest.mark.looptime


async def running(registry: Registry, host: Host, *names: str) -> None:
    """Place units and start the host's agent; wait until they run and it is said so."""
    for name in names:
        registry.place(name)
    host.start_agent()
    await until(lambda: all((state := registry.state(name)) is not None and state.active == "active" for name in names))
    await settled()
    host.history()


def is_active(registry: Registry, name: str) -> Callable[[], bool]:
    return lambda: (state := registry.state(name)) is not None and state.active == "active"


async def test_a_machine_registers_with_what_it_is() -> None:
    async with one_host() as (registry, host):
        host.start_agent("web-1")
        await until(lambda: registry.machine() is not None)
        machine = registry.machine()
        assert machine is not None
        assert machine == MachineRecord(
            id=MACHINE, session=machine.session, hostname="web-1", public_ip="192.0.2.1", version="1"
        )
        saved = SavedSession.decode(host.files.read_session() or b"")
        assert (saved.machine, saved.session) == (MACHINE, machine.session)
        assert registry.store.leases == {saved.lease}


async def test_a_restarted_agent_takes_everything_over_and_touches_nothing() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB, DB)
        machine, states = registry.machine(), registry.states()
        await host.restart_agent()
        await settled(100.0)
        assert registry.machine() == machine
        assert registry.states() == states
        assert host.history() == []
        assert len(registry.store.leases) == 1


async def test_a_killed_agent_leaves_its_registration_until_the_lease_expires() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        await host.kill_agent()
        await settled(TTL / 2)
        assert registry.machine() is not None
        await settled(TTL)
        assert registry.machine() is None
        assert registry.states() == {}
        assert WEB in host.systemd.running()


async def test_what_changed_while_there_was_no_agent_is_carried_out_by_the_next() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB, DB)
        await host.kill_agent()
        registry.unplace(WEB)
        registry.place(DB, goal=LOADED)
        registry.place("new.service")
        host.start_agent()
        await until(is_active(registry, "new.service"))
        await until(lambda: registry.state(WEB) is None)
        await until(lambda: host.systemd.running() == {"new.service"})
        assert host.history("start", "stop") == ["stop web.service", "stop db.service", "start new.service"]


async def test_a_host_that_was_booted_starts_its_units_anew() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        first = registry.machine()
        await host.kill_agent()
        host.reboot()
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        await until(is_active(registry, WEB))
        second = registry.machine()
        assert first is not None
        assert second is not None
        assert first.session != second.session
        assert host.history("start") == ["start web.service"]


async def test_losing_the_registry_touches_no_unit() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB, DB)
        await host.network.cut(off=True)
        await settled(600.0)
        await host.network.cut(off=False)
        await settled(60.0)
        assert host.history() == []
        assert host.systemd.running() == {WEB, DB}
        assert is_active(registry, WEB)()
        assert registry.machine() is not None


async def test_an_agent_that_starts_without_the_registry_touches_no_unit() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        await host.kill_agent()
        await host.network.cut(off=True)
        host.start_agent()
        await settled(600.0)
        assert host.history() == []
        await host.network.cut(off=False)
        await until(is_active(registry, WEB))
        assert host.history() == []


async def test_after_a_partition_what_was_moved_away_is_stopped_before_anything_else() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB, DB)
        await host.network.cut(off=True)
        await settled(3 * TTL)
        assert registry.machine() is None
        registry.unplace(WEB)
        registry.place("new.service")
        await host.network.cut(off=False)
        healed = asyncio.get_running_loop().time()
        await until(lambda: WEB not in host.systemd.running())
        assert asyncio.get_running_loop().time() - healed <= 2.0
        await until(is_active(registry, "new.service"))
        assert host.history("start", "stop") == ["stop web.service", "start new.service"]
        assert set(registry.states()) == {DB, "new.service"}


class Noting(Network):
    """Notes what systemd had been asked for each time that the machine's key is written."""

    def __init__(self, registry: Registry, systemd: MemorySystemd) -> None:
        super().__init__(MemoryRegistry(registry.store), random.Random(0))  # noqa: S311 - not a secret
        self._systemd = systemd
        self.before: list[list[str]] = []

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        if any(write.key == KEYS.machine(MACHINE) for write in writes):
            self.before.append(list(self._systemd.history))
        return await super().commit(writes, guards=guards)


async def test_a_machine_registers_again_only_when_its_stale_copies_were_told_to_stop() -> None:
    async with one_host() as (registry, host):
        host.network = noting = Noting(registry, host.systemd)
        await running(registry, host, WEB)
        await host.network.cut(off=True)
        await settled(3 * TTL)
        registry.unplace(WEB)
        noting.before.clear()
        await host.network.cut(off=False)
        await until(lambda: registry.machine() is not None)
        assert all("stop web.service" in history for history in noting.before)


async def test_a_machine_is_registered_again_only_with_the_states_of_all_that_is_left_on_it() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(stop=60.0)
        await running(registry, host, WEB, DB)
        await host.network.cut(off=True)
        await settled(3 * TTL)
        registry.unplace(WEB)
        seen: list[set[str]] = []
        await host.network.cut(off=False)
        await until(lambda: registry.machine() is not None and not seen.append(set(registry.states())))  # type: ignore[func-returns-value]
        assert seen == [{WEB, DB}]


async def test_a_copy_of_an_older_placement_is_replaced_when_the_unit_came_back() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        await host.network.cut(off=True)
        await settled(3 * TTL)
        registry.place(WEB, epoch=5)
        await host.network.cut(off=False)
        await until(lambda: (state := registry.state(WEB)) is not None and state.epoch == 5)
        await until(is_active(registry, WEB))
        assert host.history("start", "stop") == ["stop web.service", "start web.service"]


async def test_an_expired_lease_is_replaced_and_all_states_hang_on_the_new_one() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB, DB)
        old = SavedSession.decode(host.files.read_session() or b"")
        registry.store.revoke(old.lease)
        assert registry.states() == {}
        await until(lambda: set(registry.states()) == {WEB, DB} and registry.machine() is not None)
        new = SavedSession.decode(host.files.read_session() or b"")
        assert new.session == old.session
        assert {entry.lease for entry in registry.store.read(KEYS.states_of(MACHINE)).entries} == {new.lease}
        assert host.history() == []


async def test_an_operator_who_removes_the_machine_s_key_gets_it_back_with_the_states() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        registry.store.commit([Delete(KEYS.machine(MACHINE))])
        host.systemd.fail(WEB)
        await until(lambda: registry.machine() is not None)
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "failed")
        assert host.history() == []


async def test_the_second_machine_of_an_id_is_refused_loudly_and_runs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with one_host() as (registry, host):
        registry.register_other("f" * 32, "the-original", ttl=10_000.0)
        registry.place(WEB)
        host.start_agent("the-clone")
        await settled(200.0)
        assert host.history() == []
        assert registry.states() == {}
        machine = registry.machine()
        assert machine is not None
        assert machine.hostname == "the-original"
        errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(errors) == 1
        assert "the-original" in errors[0]
        assert "was /etc/machine-id cloned?" in errors[0]


async def test_it_gets_its_turn_when_the_other_is_gone() -> None:
    async with one_host() as (registry, host):
        lease = registry.register_other("f" * 32, "the-original", ttl=10_000.0)
        registry.place(WEB)
        host.start_agent("the-clone")
        await settled(50.0)
        registry.store.revoke(lease)
        await until(is_active(registry, WEB))


async def test_a_host_that_shuts_down_ends_its_registration_at_once() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        host.systemd.stopping = True
        await host.systemd.enqueue(Verb.STOP, WEB)
        await until(lambda: not host.systemd.running())
        await host.stop_agent()
        assert registry.machine() is None
        assert registry.states() == {}


async def test_a_host_that_shuts_down_with_a_unit_still_running_keeps_its_lease() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        host.systemd.stopping = True
        await host.stop_agent()
        assert registry.machine() is not None


async def test_an_agent_that_is_stopped_leaves_its_registration() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        await host.stop_agent()
        assert registry.machine() is not None
        assert registry.state(WEB) is not None


async def test_an_agent_that_is_stopped_on_a_host_without_units_leaves_its_registration_too() -> None:
    async with one_host() as (registry, host):
        await running(registry, host)
        await until(lambda: registry.machine() is not None)
        await host.stop_agent()
        assert registry.machine() is not None


async def test_a_store_that_was_set_back_takes_no_unit_away_however_far_it_goes_on() -> None:
    """Also for an agent that was not there when that happened."""
    async with one_host() as (registry, host):
        placement = registry.place(WEB, epoch=30)
        host.start_agent()
        await until(is_active(registry, WEB))
        await host.kill_agent()
        host.history()
        registry.unplace(WEB)
        assert registry.store.revision < placement.epoch
        host.start_agent()
        await settled(100.0)
        while registry.store.revision <= placement.epoch:
            registry.store.commit([Put("/elsewhere", b"")])
        registry.place(DB)
        await until(is_active(registry, DB))
        await settled(100.0)
        assert host.history("stop", "unlink", "disable") == []
        assert host.systemd.running() == {WEB, DB}
        state = registry.state(WEB)
        assert state is not None
        assert (state.adrift, state.active) == (True, "active")


@pytest.mark.parametrize("later", [0, 100], ids=["earlier", "later"])
async def test_after_the_store_was_restored_what_runs_is_left_and_told_and_taken_over_when_it_is_placed_again(
    later: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether or not the restored one has gone on beyond the revision that was seen last."""
    async with one_host() as (registry, host):
        registry.store.store = Store(term=9)
        registry.place(DB, epoch=1)
        host.start_agent()
        await until(is_active(registry, DB))
        saved = backup(registry.store, registry.store.now)
        registry.place(WEB, uid=40, epoch=41)
        await until(is_active(registry, WEB))
        await host.systemd.enqueue(Verb.STOP, DB)
        await until(lambda: (state := registry.state(DB)) is not None and state.active == "inactive")
        host.history()
        saved.store = Store(term=2 if later else 9)
        for number in range(later):
            saved.commit([Put(f"/elsewhere/{number}", b"")])
        registry.store = renewed(saved)
        await host.network.switch(MemoryRegistry(saved))
        # Its own registration had not changed since the backup; what it has said since had.
        await until(lambda: (state := registry.state(DB)) is not None and state.active == "inactive")
        await until(lambda: (state := registry.state(WEB)) is not None and state.adrift is True)
        assert f"{WEB} is left as it is" in caplog.text
        now = int(registry.store.revision)
        registry.place(WEB, uid=now, epoch=now)
        await until(lambda: (state := registry.state(WEB)) is not None and int(state.uid) == now)
        state = registry.state(WEB)
        assert state is not None
        assert (state.adrift, state.active, int(state.epoch)) == (None, "active", now)
        await settled(100.0)
        assert host.history() == []
        registry.unplace(WEB)
        await until(lambda: WEB not in registry.states())
        assert host.history("stop") == [f"stop {WEB}"]


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
async def test_a_store_that_is_set_back_in_the_middle_of_a_turn_takes_no_unit_away(moment: float) -> None:
    async with one_host() as (registry, host):
        registry.store.store = Store(term=9)
        host.start_agent()
        await until(lambda: registry.machine() is not None)
        saved = backup(registry.store, registry.store.now)
        saved.store = Store(term=2)
        saved.commit([Put("/elsewhere", b"")])
        registry.place(WEB)
        await until(is_active(registry, WEB))
        host.systemd.latency = 0.3
        registry.place(DB)
        await asyncio.sleep(moment)
        registry.store = renewed(saved)
        await host.network.switch(MemoryRegistry(saved))
        await settled(100.0)
        assert host.history("stop") == []
        assert WEB in host.systemd.running()


async def test_after_the_store_was_lost_and_restored_everything_is_as_it_was() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB, epoch=5)
        host.start_agent()
        await until(is_active(registry, WEB))
        host.history()
        saved = registry.store
        registry.store = MemoryStore(clock=saved.now)
        registry.store.store = Store(cluster=1)
        await host.network.switch(MemoryRegistry(registry.store))
        await until(lambda: (state := registry.state(WEB)) is not None and state.adrift is True)
        registry.store = backup(saved, saved.now)
        await host.network.switch(MemoryRegistry(registry.store))
        await until(lambda: registry.machine() is not None)
        await until(lambda: (state := registry.state(WEB)) is not None and state.adrift is None)
        await settled(100.0)
        assert host.history() == []
        registry.unplace(WEB)
        await until(lambda: registry.states() == {})
        assert host.history("stop") == [f"stop {WEB}"]


async def test_what_the_scheduler_placed_anew_before_its_agent_saw_the_restored_store_is_taken_over_as_it_runs() -> (
    None
):
    async with one_host() as (registry, host):
        registry.store.store = Store(term=9)
        host.start_agent()
        await until(lambda: registry.machine() is not None)
        saved = backup(registry.store, registry.store.now)
        saved.store = Store(term=2)
        registry.place(WEB, uid=40, epoch=41)
        await until(is_active(registry, WEB))
        host.history()
        registry.store = saved
        registry.place(WEB, uid=40, epoch=45)
        await host.network.switch(MemoryRegistry(saved))
        await until(lambda: (state := registry.state(WEB)) is not None and int(state.epoch) == 45)
        await settled(100.0)
        assert host.history() == []


async def test_what_is_adrift_is_stopped_when_its_placement_says_that_it_is_to_go() -> None:
    """It was placed again and taken away before the agent looked: the scheduler waits for it to be gone."""
    async with one_host() as (registry, host):
        registry.store.commit([Put("elsewhere", b"x")])
        saved = backup(registry.store, registry.store.now)
        await running(registry, host, WEB)
        registry.store = saved
        await host.network.switch(MemoryRegistry(saved))
        await until(lambda: (state := registry.state(WEB)) is not None and state.adrift is True)
        assert host.systemd.running() == {WEB}
        registry.place(WEB, goal=UnitGoal.INACTIVE, uid=9, epoch=9)
        await until(lambda: registry.states() == {})
        assert host.systemd.running() == frozenset()


async def test_what_is_adrift_and_ends_by_itself_is_cleared_away() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB, epoch=1000)
        host.start_agent()
        await until(is_active(registry, WEB))
        registry.unplace(WEB)
        await until(lambda: (state := registry.state(WEB)) is not None and state.adrift is True)
        await host.systemd.enqueue(Verb.STOP, WEB)
        await until(lambda: registry.states() == {} and host.files.texts == {})


async def test_answers_that_are_lost_change_nothing_in_the_end() -> None:
    async with one_host() as (registry, host):
        host.network.faults = Faults(refused=0.1, unanswered=0.2, broken=0.1, delay=0.5)
        names = [f"u{number}.service" for number in range(20)]
        for name in names:
            registry.place(name)
        host.start_agent()
        await until(lambda: all(is_active(registry, name)() for name in names), patience=600.0)
        for name in names[:10]:
            registry.unplace(name)
        registry.place(names[10], "sleep 7")
        await until(lambda: set(registry.states()) == set(names[10:]), patience=600.0)
        await until(lambda: host.systemd.running_text(names[10]) == text("sleep 7"), patience=600.0)  # type: ignore[arg-type]
        host.network.faults = Faults()
        await settled(100.0)
        assert host.systemd.running() == frozenset(names[10:])
        assert all(is_active(registry, name)() for name in names[10:])


async def test_a_stray_unit_file_is_cleared_away_once_the_placements_were_read() -> None:
    async with one_host() as (registry, host):
        host.files.write(WEB, text(), "")
        await host.systemd.link([host.files.unit_file(WEB)])
        await host.network.cut(off=True)
        host.start_agent()
        await settled(100.0)
        assert host.files.texts == {WEB: text()}
        await host.network.cut(off=False)
        await until(lambda: not host.files.texts)
        await until(lambda: registry.states() == {})


async def test_a_crash_in_the_middle_of_writing_is_made_good() -> None:
    async with one_host() as (registry, host):
        host.systemd.latency = 1.0
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.files.texts)
        await host.kill_agent()
        assert registry.state(WEB) is not None
        host.systemd.latency = 0.0
        host.start_agent()
        await until(is_active(registry, WEB))
        assert host.history("start") == ["start web.service"]


async def test_no_unit_is_touched_before_its_state_is_in_the_registry() -> None:
    async with one_host() as (registry, host):
        host.start_agent()
        await until(lambda: registry.machine() is not None)
        host.network.full = True
        registry.place(WEB)
        await settled(100.0)
        assert registry.state(WEB) is None
        assert host.history() == []
        host.network.full = False
        await until(is_active(registry, WEB))


async def test_systemd_being_away_is_waited_for() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        host.systemd.disconnect()
        host.systemd.fail(WEB)
        registry.place(DB)
        await settled(100.0)
        assert host.history() == []
        assert is_active(registry, WEB)()
        host.systemd.reconnect()
        await until(is_active(registry, DB))
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "failed")


async def test_a_job_whose_end_nobody_heard_is_found_to_be_over() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(stop=5.0)
        await running(registry, host, WEB)
        registry.unplace(WEB)
        await settled(1.0)
        host.systemd.disconnect()
        await settled(20.0)
        host.systemd.reconnect()
        await until(lambda: registry.states() == {}, patience=10.0)


async def test_an_unknown_value_beside_the_placements_does_no_harm() -> None:
    async with one_host() as (registry, host):
        registry.store.commit([Put(f"{KEYS.placements_of(MACHINE)}not a unit", b"{}")])
        await running(registry, host, WEB)
        assert set(registry.states()) == {WEB}


async def test_a_report_that_an_agent_left_behind_when_it_died_is_cleared_away_by_the_next() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB)
        said = registry.store.get(KEYS.state(MACHINE, WEB))
        assert said is not None
        await host.kill_agent()
        registry.store.commit([Put(KEYS.state(MACHINE, DB), said.value, said.lease)])
        host.start_agent()
        await until(lambda: registry.states().keys() == {WEB})
        assert registry.store.get(KEYS.state(MACHINE, WEB)) == said


async def test_a_report_that_is_under_way_when_its_unit_goes_does_not_come_back() -> None:
    async with one_host() as (registry, host):
        await running(registry, host, WEB, DB)
        host.network.delayed = KEYS.state(MACHINE, WEB)
        host.systemd.fail(WEB)
        await until(lambda: host.network.under_way is not None)
        registry.unplace(WEB)
        await until(lambda: registry.states().keys() == {DB})
        assert host.network.under_way is not None
        writes, guards = host.network.under_way
        with pytest.raises(GuardFailedError):
            registry.store.commit(writes, guards)
        assert registry.states().keys() == {DB}
