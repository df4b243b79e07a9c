"""The whole agent on one host in memory, from placements to running units and published states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import Epoch, UnitName, UnitUID
from fleetpy.model.records import StateRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.protocol import Delete, Put
from fleetpy_agent.systemd.memory import MemorySystemd
from fleetpy_agent.systemd.protocol import NOWHERE, SystemdRefusedError
from fleetpy_agent.systemd.simulated import Behaviour
from tests.unit.agent.harness import DB, KEYS, LAUNCHED, LOADED, MACHINE, WEB, one_host, settled, text, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.looptime


async def test_a_placed_unit_runs_and_its_state_is_published() -> None:
    async with one_host() as (registry, host):
        placement = registry.place(WEB)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "active")
        assert host.files.dropins[WEB] == (
            "[Unit]\nAfter=fleet-agent.service\n\n[Service]\nEnvironment=FLEET_EPOCH=1\n"
        )
        assert host.history() == ["link web.service", "start web.service"]
        state = registry.state(WEB)
        assert state is not None
        assert state.since is not None
        assert state.replace(since=None) == StateRecord(
            uid=UnitUID(1),
            epoch=Epoch(1),
            hash=placement.hash,
            goal=UnitGoal.LAUNCHED,
            load="loaded",
            active="active",
            sub="running",
        )


async def test_a_unit_that_is_to_be_loaded_is_not_started() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB, goal=LOADED)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.goal is LOADED)
        await settled()
        state = registry.state(WEB)
        assert state is not None
        assert (state.load, state.active, state.sub, state.since) == ("loaded", "inactive", "dead", None)
        assert host.history() == ["link web.service"]


async def test_a_unit_whose_placement_is_gone_is_stopped_and_leaves_nothing() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        await settled()
        host.history()
        registry.unplace(WEB)
        await until(lambda: not registry.states())
        assert host.history() == ["stop web.service", "disable web.service", "reload"]
        assert host.files.texts == {}
        assert host.files.dropins == {}
        assert host.files.records() == {}


async def test_a_unit_that_is_to_be_let_go_of_is_as_one_whose_placement_is_gone() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        await settled()
        registry.place(WEB, goal=UnitGoal.INACTIVE)
        await until(lambda: not registry.states())
        assert host.systemd.running() == set()
        assert host.files.records() == {}
        registry.unplace(WEB)
        await settled()
        assert registry.states() == {}


async def test_its_state_stays_until_it_has_stopped() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(stop=30.0)
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        registry.unplace(WEB)
        await settled(29.0)
        state = registry.state(WEB)
        assert state is not None
        assert state.active == "deactivating"
        await until(lambda: not registry.states())
        assert not host.systemd.running()


async def test_a_slow_stop_does_not_hold_up_the_others() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(stop=90.0)
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        registry.unplace(WEB)
        await settled(0.1)
        registry.place(DB)
        await until(lambda: DB in host.systemd.running(), patience=2.0)
        assert WEB in host.systemd.running()


async def test_nothing_is_reloaded_before_a_slow_stop_has_ended() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(stop=30.0)
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        host.history()
        registry.unplace(WEB)
        await settled(20.0)
        assert host.history() == ["stop web.service"]
        await until(lambda: not registry.states())
        assert host.history() == ["disable web.service", "reload"]


async def test_a_job_that_hangs_does_not_hold_up_the_others() -> None:
    async with one_host() as (registry, host):
        hanging = [UnitName(f"hang{number}.service") for number in range(40)]
        for name in hanging:
            host.systemd.behaviours[name] = Behaviour(start=None)
            registry.place(name)
        registry.place(WEB)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "active", patience=20.0)
        await until(lambda: all(registry.states()[name].problem for name in hanging), patience=200.0)
        assert registry.states()[hanging[0]].problem == "systemd still works on its start job; no longer waiting for it"
        assert registry.states()[hanging[0]].active == "activating"


async def test_a_newer_wish_replaces_an_older_one_that_hangs() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(start=None)
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        registry.place(WEB, goal=LOADED)
        await until(lambda: WEB not in host.systemd.running(), patience=2.0)
        await settled()
        state = registry.state(WEB)
        assert state is not None
        assert (state.goal, state.active) == (LOADED, "inactive")


async def test_a_new_text_runs_after_the_old_one_was_stopped() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB, "sleep 1")
        host.start_agent()
        await until(lambda: host.systemd.running_text(WEB) == text("sleep 1"))
        await settled()
        host.history()
        placement = registry.place(WEB, "sleep 2")
        await until(lambda: host.systemd.running_text(WEB) == text("sleep 2"))
        await until(lambda: (state := registry.state(WEB)) is not None and state.hash == placement.hash)
        assert host.history() == [
            "stop web.service",
            "disable web.service",
            "link web.service",
            "reload",
            "start web.service",
        ]


async def test_another_unit_of_the_same_name_replaces_the_old_one() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB, uid=1, epoch=1)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        registry.place(WEB, uid=7, epoch=9)
        await until(lambda: (state := registry.state(WEB)) is not None and (state.uid, state.epoch) == (7, 9))
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "active")
        assert "FLEET_EPOCH=9" in host.files.dropins[WEB]
        assert host.history("start", "stop") == ["start web.service", "stop web.service", "start web.service"]


async def test_a_restart_is_carried_out_once_for_each_stamp() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        registry.place(WEB, restarted="noon")
        await until(lambda: (state := registry.state(WEB)) is not None and state.restarted == "noon")
        await host.restart_agent()
        await settled(200.0)
        assert host.history("restart", "start") == ["start web.service", "restart web.service"]


async def test_a_restart_asked_for_during_a_restart_follows_it_at_once() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        await settled()
        host.systemd.behaviours[WEB] = Behaviour(stop=2.0)
        registry.place(WEB, restarted="noon")
        await settled(1.0)
        registry.place(WEB, restarted="past noon")
        await settled(4.0)
        assert host.history("restart", "start") == ["start web.service", "restart web.service", "restart web.service"]
        assert (state := registry.state(WEB)) is not None
        assert state.restarted == "past noon"


async def test_a_restart_of_a_unit_that_is_not_launched_is_only_noted() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB, goal=LOADED)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.goal is LOADED)
        registry.place(WEB, goal=LOADED, restarted="noon")
        await until(lambda: (state := registry.state(WEB)) is not None and state.restarted == "noon")
        assert host.history("restart", "start", "stop") == []


async def test_a_restart_is_said_to_be_done_when_it_is() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        await settled()
        host.systemd.behaviours[WEB] = Behaviour(stop=3.0)
        registry.place(WEB, restarted="noon")
        await settled(2.9)
        assert (state := registry.state(WEB)) is not None
        assert (state.restarted, state.active) == (None, "deactivating")
        await until(lambda: (state := registry.state(WEB)) is not None and state.restarted == "noon")
        assert (state := registry.state(WEB)) is not None
        assert state.active == "active"


async def test_a_unit_that_fails_stays_failed() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        host.systemd.fail(WEB)
        await settled(200.0)
        state = registry.state(WEB)
        assert state is not None
        assert (state.active, state.result, state.goal) == ("failed", "exit-code", LAUNCHED)
        assert host.history("start", "restart") == ["start web.service"]


async def test_a_unit_that_has_done_its_work_is_not_started_again() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(start=1.0, becomes="inactive")
        registry.place(WEB)
        host.start_agent()
        await settled(100.0)
        await host.restart_agent()
        await settled(100.0)
        assert host.history("start") == ["start web.service"]
        assert (state := registry.state(WEB)) is not None
        assert (state.goal, state.active, state.problem) == (LAUNCHED, "inactive", None)


async def test_a_failed_unit_is_forgotten_by_systemd_when_it_is_unloaded() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        host.systemd.fail(WEB)
        await settled()
        registry.unplace(WEB)
        await until(lambda: not registry.states())
        assert (await host.systemd.statuses([WEB]))[WEB] == NOWHERE


async def test_many_units_are_loaded_before_any_is_started() -> None:
    async with one_host() as (registry, host):
        names = sorted(UnitName(f"u{number:03}.service") for number in range(300))
        for name in names:
            registry.place(name)
        host.start_agent()
        await until(lambda: host.systemd.running() == frozenset(names))
        history = host.history()
        assert history[:300] == [f"link {name}" for name in names]
        assert sorted(history[300:]) == [f"start {name}" for name in names]


async def test_a_batch_has_one_reload() -> None:
    async with one_host() as (registry, host):
        names = [UnitName(f"u{number:03}.service") for number in range(100)]
        for name in names:
            registry.place(name, "sleep 1")
        host.start_agent()
        await until(lambda: len(host.systemd.running()) == 100)
        await settled()
        host.history()
        with registry.together():
            for name in names:
                registry.place(name, "sleep 2")
        await until(lambda: all(host.systemd.running_text(name) == text("sleep 2") for name in names))
        assert host.history("reload") == ["reload"]


async def test_an_install_section_is_in_force_while_the_unit_is_loaded() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB, goal=LOADED, unit_text=text() + "\n[Install]\nWantedBy=multi-user.target\n")
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.goal is LOADED)
        assert host.systemd.enabled() == {WEB}
        registry.unplace(WEB)
        await until(lambda: not registry.states())
        assert host.systemd.enabled() == frozenset()


async def test_a_unit_file_that_systemd_cannot_load_is_told_of_and_does_not_stop_others() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(load="bad-setting")
        registry.place(WEB)
        registry.place(DB)
        host.start_agent()
        await until(lambda: DB in host.systemd.running())
        await settled(200.0)
        state = registry.state(WEB)
        assert state is not None
        assert (state.load, state.active, state.goal) == ("bad-setting", "inactive", LAUNCHED)
        assert state.problem == "systemd refuses to start it: Unit web.service cannot start: BadUnitSetting"


async def test_stopping_a_unit_that_systemd_could_not_load_is_done_at_once() -> None:
    async with one_host() as (registry, host):
        host.systemd.behaviours[WEB] = Behaviour(load="bad-setting")
        registry.place(WEB)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.goal is LAUNCHED)
        registry.place(WEB, goal=LOADED)
        await until(lambda: (state := registry.state(WEB)) is not None and state.goal is LOADED)
        await settled(100.0)
        assert (state := registry.state(WEB)) is not None
        assert state.problem is None


async def test_a_unit_file_that_the_registry_does_not_have_is_told_of_and_does_not_stop_others() -> None:
    async with one_host() as (registry, host):
        placement = registry.place(WEB, "true")
        registry.store.commit([Delete(KEYS.unit_file(placement.hash))])
        registry.place(DB)
        host.start_agent()
        await until(lambda: DB in host.systemd.running())
        await until(lambda: (state := registry.state(WEB)) is not None and state.problem is not None)
        assert (state := registry.state(WEB)) is not None
        assert state.problem == f"the registry does not have its unit file {placement.hash}"
        assert state.goal is UnitGoal.INACTIVE


async def test_a_placement_that_cannot_be_read_leaves_its_unit_as_it_is() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        registry.store.commit([Put(KEYS.placement(MACHINE, WEB), b"rubbish")])
        registry.place(DB)
        await until(lambda: DB in host.systemd.running())
        await settled(200.0)
        assert WEB in host.systemd.running()
        assert registry.state(WEB) is not None


async def test_a_host_unit_of_the_same_name_is_not_touched() -> None:
    async with one_host() as (registry, host):
        host.systemd.add_host_unit(WEB)
        host.files.host_units[WEB] = "/lib/systemd/system/web.service"
        placement = registry.place(WEB)
        host.start_agent()
        await until(lambda: registry.state(WEB) is not None)
        await settled(200.0)
        registry.unplace(WEB)
        await until(lambda: registry.state(WEB) is None)
        assert host.history() == []
        assert host.files.texts == {}
        assert WEB in host.systemd.running()
        assert placement.uid == 1


async def test_a_refusal_names_the_path_that_the_unit_collides_with() -> None:
    async with one_host() as (registry, host):
        host.systemd.add_host_unit(WEB)
        placement = registry.place(WEB)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.refused is not None)
        assert registry.state(WEB) == StateRecord(
            uid=placement.uid,
            epoch=placement.epoch,
            hash=placement.hash,
            refused="the host has a unit of its own of that name: /lib/systemd/system/web.service",
        )


async def test_a_refusal_outlasts_its_placement_for_a_while() -> None:
    async with one_host() as (registry, host):
        host.systemd.add_host_unit(WEB)
        registry.place(WEB)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.refused is not None)
        refused = registry.state(WEB)
        registry.unplace(WEB)
        await settled(50.0)
        assert registry.state(WEB) == refused
        await until(lambda: not registry.states())


async def test_of_a_unit_that_waits_for_its_turn_to_start_nothing_new_is_told() -> None:
    async with one_host() as (registry, host):
        host.systemd.usual = Behaviour(start=3.0)
        with registry.together():
            for number in range(20):
                registry.place(f"u{number:02}.service")
        host.start_agent()
        await until(lambda: len(host.systemd.running()) == 16)
        await settled(1.0)
        told = [state.load for _, state in sorted(registry.states().items())]
        assert told == ["loaded"] * 16 + [""] * 4
        await until(lambda: {state.active for state in registry.states().values()} == {"active"})


async def test_a_unit_that_is_placed_while_the_agent_looks_at_others_is_looked_at_too() -> None:
    async with one_host() as (registry, host):
        registry.place(DB)
        host.start_agent()
        await until(lambda: DB in host.systemd.running())
        await settled()
        host.systemd.add_host_unit(WEB)
        host.systemd.latency = 1.0
        registry.place("cache.service")
        await settled(0.5)
        with registry.together():
            registry.place(WEB)
            registry.place("other.service")
        await until(lambda: host.systemd.running() >= {"cache.service", "other.service"}, patience=30.0)
        assert [line for line in host.history() if line.endswith(WEB)] == []
        assert (state := registry.state(WEB)) is not None
        assert state.refused is not None


async def test_a_slice_is_the_hosts_own_only_if_there_is_something_of_it() -> None:
    async with one_host() as (registry, host):
        ours, theirs = UnitName("ours.slice"), UnitName("system.slice")
        host.systemd.add_host_unit(theirs, fragment="")
        with registry.together():
            for name in (ours, theirs):
                registry.place(name, unit_text="[Slice]\nMemoryMax=64M\n")
        host.start_agent()
        await until(lambda: host.systemd.running_text(ours) == "[Slice]\nMemoryMax=64M\n")
        state = registry.state(theirs)
        assert state is not None
        assert state.refused == "the host has a unit of its own of that name: systemd itself"


async def test_a_host_that_takes_a_name_over_gets_it() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        host.files.host_units[WEB] = "/etc/systemd/system/web.service"
        await until(lambda: (state := registry.state(WEB)) is not None and state.refused is not None)
        assert host.history("stop") == []
        assert host.files.texts == {}


async def test_what_was_missed_is_found_by_comparing() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "active")
        await settled()
        host.systemd.detach()
        host.systemd.fail(WEB)
        await settled(1.0)
        assert (state := registry.state(WEB)) is not None
        assert state.active == "active"
        await settled(60.0)
        assert (state := registry.state(WEB)) is not None
        assert state.active == "failed"


async def test_no_change_is_missed_while_systemd_is_slow_to_answer() -> None:
    async with one_host() as (registry, host):
        host.systemd.latency = 0.3
        names = [UnitName(f"u{number:02}.service") for number in range(40)]
        for number, name in enumerate(names):
            host.systemd.behaviours[name] = Behaviour(start=0.07 * number)
            registry.place(name)
        host.start_agent()
        await until(lambda: len(host.systemd.running()) == 40)
        await settled(6.0)
        assert {state.active for state in registry.states().values()} == {"active"}


async def test_an_idle_agent_asks_systemd_once_a_minute() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await settled(10.0)
        calls, revision = host.systemd.calls, registry.store.revision
        await settled(600.0)
        assert host.systemd.calls - calls <= 20
        assert registry.store.revision == revision


async def test_a_unit_file_that_vanished_from_systemd_is_put_back_without_a_start() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        await settled()
        await host.systemd.disable([WEB])
        await host.systemd.reload()
        host.history()
        await settled(70.0)
        assert (state := registry.state(WEB)) is not None
        assert (state.load, state.active) == ("loaded", "active")
        assert [line for line in host.history() if line != "reload"] == ["link web.service"]
        assert WEB in host.systemd.running()


class _Picky(MemorySystemd):
    """Refuses a batch of unit files for one of them."""

    async def link(self, files: Sequence[Path]) -> None:
        if any(file.name == WEB for file in files):
            raise SystemdRefusedError(f"Unit {WEB} is masked", "UnitMasked")
        await super().link(files)


async def test_a_unit_file_that_systemd_will_not_link_takes_no_other_along() -> None:
    async with one_host() as (registry, host):
        host.systemd = _Picky(host.files.read)
        host.start_agent()
        with registry.together():
            registry.place(WEB)
            registry.place(DB)
        await until(lambda: host.systemd.running() == {DB})
        await until(lambda: (state := registry.state(WEB)) is not None and "is masked" in (state.problem or ""))
        assert (state := registry.state(DB)) is not None
        assert state.problem is None


@pytest.mark.parametrize(("option", "added"), [("RefuseManualStop=yes", True), ("RefuseManualStart=yes", False)])
async def test_a_unit_that_is_not_to_be_stopped_by_hand_can_be_stopped_by_the_agent(option: str, added: bool) -> None:  # noqa: FBT001
    async with one_host() as (registry, host):
        registry.place(WEB, unit_text=f"[Unit]\n{option}\n\n[Service]\nExecStart=/bin/app\n")
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        assert ("RefuseManualStop=no\n" in host.files.dropins[WEB]) is added
