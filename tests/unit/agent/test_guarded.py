"""Units with `OnPartition=stop` on a host in memory: what the agent makes of their guard's end."""

from __future__ import annotations

import pytest

from fleetpy.ids import Epoch, UnitHash, UnitName, UnitUID
from fleetpy.registry.memory import MemoryRegistry
from fleetpy_agent.applied import AppliedRecord
from fleetpy_agent.dropin import GUARD_SERVICE
from fleetpy_agent.guarded import changes
from fleetpy_agent.systemd.protocol import UnitStatus
from tests.support.backup import backup, renewed
from tests.support.faulty import Faults
from tests.unit.agent.harness import DB, LAUNCHED, LOADED, TTL, WEB, one_host, settled, until

STOPS = "[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nOnPartition=stop\n"
UP = UnitStatus("loaded", "active", "running")
STOPPING = UnitStatus("loaded", "deactivating", "stop-sigterm")
DOWN = UnitStatus("loaded", "inactive", "dead")
FAILED = UnitStatus("loaded", "failed", "failed")
LAUNCHED_ONE = AppliedRecord(uid=UnitUID(1), epoch=Epoch(1), hash=UnitHash("a"), goal=LAUNCHED, stops=True)


@pytest.mark.parametrize("status", [DOWN, FAILED, STOPPING])
def test_what_the_guard_took_along_is_no_longer_launched(status: UnitStatus) -> None:
    found = changes({WEB: LAUNCHED_ONE}, {WEB: status}, (), lost=True)
    assert found == {WEB: LAUNCHED_ONE.replace(goal=LOADED)}


@pytest.mark.parametrize("status", [DOWN, FAILED])
def test_what_ends_while_the_guard_is_well_has_ended_by_itself_and_stays_so(status: UnitStatus) -> None:
    found = changes({WEB: LAUNCHED_ONE}, {WEB: status}, (), lost=False)
    assert found == {WEB: LAUNCHED_ONE.replace(ended=True)}
    assert changes(found, {WEB: status}, (), lost=True) == {}


def test_nothing_is_noted_of_what_runs_is_busy_is_only_loaded_or_goes_on_without_a_guard() -> None:
    for lost in (False, True):
        assert changes({WEB: LAUNCHED_ONE}, {WEB: UP}, (), lost=lost) == {}
        assert changes({WEB: LAUNCHED_ONE}, {WEB: DOWN}, {WEB}, lost=lost) == {}
        assert changes({WEB: LAUNCHED_ONE.replace(goal=LOADED)}, {WEB: DOWN}, (), lost=lost) == {}
        assert changes({WEB: LAUNCHED_ONE.replace(stops=False)}, {WEB: DOWN}, (), lost=lost) == {}


@pytest.mark.looptime(noop_cycles=1)
async def test_a_unit_that_stops_on_partition_is_bound_to_the_guard_and_another_is_not() -> None:
    async with one_host() as (registry, host):
        host.start_agent()
        registry.place(WEB, unit_text=STOPS)
        registry.place(DB)
        await until(lambda: {WEB, DB} <= host.systemd.running())
        bound = f"BindsTo={GUARD_SERVICE}\nAfter={GUARD_SERVICE}\n"
        assert bound in host.files.dropins[WEB]
        assert GUARD_SERVICE not in host.files.dropins[DB]
        assert host.files.records()[WEB].stops
        assert not host.files.records()[DB].stops


@pytest.mark.looptime(noop_cycles=1)
async def test_what_the_guard_stopped_is_started_again_and_what_ended_by_itself_is_not() -> None:
    ended = UnitName("ended.service")
    async with one_host() as (registry, host):
        host.systemd.add_host_unit(GUARD_SERVICE)
        host.start_agent()
        with registry.together():
            registry.place(WEB, unit_text=STOPS)
            registry.place(ended, unit_text=STOPS)
        await until(lambda: {WEB, ended} <= host.systemd.running())
        host.systemd.fail(ended)
        await settled()
        host.history()
        await host.network.cut(off=True)
        await settled(2 * TTL)
        host.systemd.fail(GUARD_SERVICE)
        host.systemd.fail(WEB, "success")
        await settled()
        assert host.history("start") == []
        await host.network.cut(off=False)
        await until(lambda: WEB in host.systemd.running())
        await settled(100)
        assert host.history("start") == [f"start {WEB}"]


@pytest.mark.looptime(noop_cycles=1)
async def test_an_agent_that_was_away_finds_what_the_guard_stopped() -> None:
    async with one_host() as (registry, host):
        host.systemd.add_host_unit(GUARD_SERVICE)
        host.start_agent()
        registry.place(WEB, unit_text=STOPS)
        await until(lambda: WEB in host.systemd.running())
        await host.kill_agent()
        await settled(2 * TTL)
        host.systemd.fail(GUARD_SERVICE)
        host.systemd.fail(WEB, "success")
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())


@pytest.mark.looptime(noop_cycles=1)
async def test_what_the_guard_stopped_is_not_started_for_a_placement_of_a_past_that_was_set_back_meanwhile() -> None:
    """Though the watch of that past only went silent, and that past had come further."""
    async with one_host() as (registry, host):
        saved = backup(registry.store, registry.store.now)
        host.systemd.add_host_unit(GUARD_SERVICE)
        host.start_agent()
        registry.place(WEB, unit_text=STOPS)
        await until(lambda: WEB in host.systemd.running())
        host.network.faults = Faults(refused=1.0)
        await settled(2 * TTL)
        host.systemd.fail(GUARD_SERVICE)
        host.systemd.fail(WEB, "success")
        host.history()
        registry.store = renewed(saved)
        await host.network.switch(MemoryRegistry(saved), noticed=False)
        host.network.faults = Faults()
        await until(lambda: registry.machine() is not None)
        await settled(100.0)
        assert host.history("start") == []


@pytest.mark.looptime(noop_cycles=1)
async def test_what_went_elsewhere_meanwhile_is_not_started_by_a_machine_that_is_back() -> None:
    async with one_host() as (registry, host):
        host.systemd.add_host_unit(GUARD_SERVICE)
        host.start_agent()
        registry.place(WEB, unit_text=STOPS)
        await until(lambda: WEB in host.systemd.running())
        await host.network.cut(off=True)
        await settled(2 * TTL)
        host.systemd.fail(GUARD_SERVICE)
        host.systemd.fail(WEB, "success")
        registry.unplace(WEB)
        host.history()
        await host.network.cut(off=False)
        await until(lambda: registry.machine() is not None)
        await settled(100)
        assert host.history("start") == []
        assert registry.states() == {}


@pytest.mark.looptime(noop_cycles=1)
async def test_the_guard_is_told_a_deadline_that_the_registry_keeps() -> None:
    async with one_host() as (registry, host):
        assert host.files.deadline == float("-inf")
        host.start_agent()
        for _ in range(50):
            await settled(1.7)
            own = registry.store.next_expiry()
            assert own is not None
            assert own - TTL < host.files.deadline <= own
