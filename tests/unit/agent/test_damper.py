"""How often a restless unit is published."""

from __future__ import annotations

import pytest

from fleetpy.ids import Epoch, UnitHash, UnitUID
from fleetpy.model.records import StateRecord
from fleetpy.model.states import UnitGoal
from fleetpy_agent.damper import APART, IN_A_ROW, Damper
from fleetpy_agent.systemd.protocol import Verb
from tests.unit.agent.harness import DB, WEB, one_host, settled, until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def state(active: str, goal: UnitGoal = UnitGoal.LAUNCHED) -> StateRecord:
    return StateRecord(uid=UnitUID(1), epoch=Epoch(1), hash=UnitHash("h"), goal=goal, active=active)


def test_a_few_changes_pass_at_once_and_then_one_now_and_then() -> None:
    clock = Clock()
    damper = Damper(clock)
    passed = 0
    for step in range(1000):
        change = state(f"active-{step}")
        if damper.may_pass("web", change):
            damper.passed("web", change)
            passed += 1
        clock.now += 0.1
    assert passed == pytest.approx(IN_A_ROW + 100 / APART, abs=2)


def test_what_the_agent_did_always_passes() -> None:
    damper = Damper(Clock())
    for step in range(100):
        damper.passed("web", state(f"active-{step}"))
    assert not damper.may_pass("web", state("failed"))
    assert damper.may_pass("web", state("inactive", UnitGoal.LOADED))
    assert damper.may_pass("db", state("failed"))


def test_a_unit_that_is_gone_begins_anew() -> None:
    damper = Damper(Clock())
    for step in range(100):
        damper.passed("web", state(f"active-{step}"))
    damper.forget("web")
    assert damper.may_pass("web", state("failed"))


@pytest.mark.looptime
async def test_a_unit_that_dies_for_ever_is_published_seldom_and_its_last_state_in_the_end() -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        registry.place(DB)
        host.start_agent()
        await until(lambda: len(host.systemd.running()) == 2)
        await settled()
        before = registry.store.revision
        for _ in range(300):
            host.systemd.fail(WEB)
            await settled(0.1)
            await host.systemd.enqueue(Verb.START, WEB)
            await settled(0.1)
        assert registry.store.revision - before < 60
        host.systemd.fail(DB)
        await until(lambda: (told := registry.state(DB)) is not None and told.active == "failed", patience=0.5)
        host.systemd.fail(WEB)
        await until(lambda: (told := registry.state(WEB)) is not None and told.active == "failed", patience=5.0)
