"""When a unit is where a command wants it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetpy.schemas.fleetpy_v1 import MachineUnitState, UnitStatus
from fleetpy_cli import goals
from fleetpy_cli.goals import Goal, Outcome, Verdict

M1, M2 = "1" * 32, "2" * 32
WAITS = Verdict(Outcome.WAITS)
DONE = Verdict(Outcome.DONE)
SETTLING = Verdict(Outcome.SETTLING)
RUNNING = MachineUnitState(M1, "h1", "launched", "loaded", "active", "running", since="12:00")
LAUNCHED = UnitStatus("a.service", 1, "h1", "launched", "launched", machineID=M1, states=[RUNNING])
IDLE = replace(RUNNING, goal="loaded", active="inactive", sub="dead", since="")
LOADED = replace(LAUNCHED, desiredState="loaded", currentState="loaded", states=[IDLE])
INACTIVE = UnitStatus("a.service", 1, "h1", "inactive", "inactive")


def with_state(unit: UnitStatus, **fields: str) -> UnitStatus:
    return replace(unit, states=[replace(unit.states[0], **fields)])


@pytest.mark.parametrize(
    ("goal", "unit", "verdict"),
    [
        (goals.launched, LAUNCHED, DONE),
        (goals.launched, replace(LAUNCHED, currentState="loaded"), WAITS),
        (goals.launched, replace(LAUNCHED, states=[]), WAITS),
        (
            goals.launched,
            with_state(LAUNCHED, active="activating", sub="start"),
            Verdict(Outcome.SETTLING, "it is still activating"),
        ),
        (goals.launched, with_state(LAUNCHED, active="inactive", sub="dead"), SETTLING),
        (goals.launched, with_state(LAUNCHED, active=""), SETTLING),
        (goals.loaded, LOADED, DONE),
        (goals.loaded, replace(LOADED, currentState="launched"), WAITS),
        (goals.stopped, LOADED, DONE),
        (goals.inactive, INACTIVE, DONE),
        (goals.inactive, replace(INACTIVE, states=[RUNNING]), WAITS),
        (goals.inactive, replace(LAUNCHED, desiredState="inactive"), WAITS),
        (goals.gone, None, DONE),
        (goals.gone, INACTIVE, WAITS),
        (goals.off(frozenset([M1])), None, DONE),
        (goals.off(frozenset([M1])), LAUNCHED, WAITS),
        (goals.off(frozenset([M1])), replace(LAUNCHED, machineID=""), WAITS),
        (goals.off(frozenset([M2])), LAUNCHED, DONE),
        (
            goals.off(frozenset([M2])),
            replace(INACTIVE, desiredState="launched", pending="no machine"),
            Verdict(Outcome.SETTLING, "it waits: no machine"),
        ),
    ],
)
def test_a_unit_is_there_or_not(goal: Goal, unit: UnitStatus | None, verdict: Verdict) -> None:
    assert goal(unit) == verdict


@pytest.mark.parametrize("fields", [{"hash": "h0"}, {"restarted": "T0"}, {"machineID": M2}])
def test_what_a_machine_says_of_something_older_does_not_count(fields: dict[str, str]) -> None:
    assert goals.launched(with_state(LAUNCHED, **fields)) == WAITS


def test_a_server_that_knows_no_hashes_is_believed() -> None:
    assert goals.launched(with_state(LAUNCHED, hash="")) == DONE


def test_a_unit_that_waits_says_why() -> None:
    nowhere = replace(LAUNCHED, currentState="inactive", machineID="", states=[], pending="no machines")
    assert goals.launched(nowhere) == Verdict(Outcome.WAITS, "no machines")
    troubled = with_state(replace(LAUNCHED, currentState="loaded"), problem="no space left on device")
    assert goals.launched(troubled) == Verdict(Outcome.WAITS, "no space left on device")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"active": "failed", "sub": "failed", "result": "exit-code"}, "it failed (exit-code)"),
        ({"active": "failed", "sub": "failed"}, "it failed (failed)"),
        ({"active": "inactive", "problem": "systemd refuses to start it"}, "systemd refuses to start it"),
    ],
)
def test_a_failed_start_says_what_starts_it_again(fields: dict[str, str], words: str) -> None:
    assert goals.launched(with_state(LAUNCHED, **fields)) == Verdict(
        Outcome.BROKEN, f"{words}; `fleetctl restart a.service` starts it again"
    )


def test_a_unit_that_systemd_keeps_starting_is_launched_with_a_word_about_it() -> None:
    unit = with_state(LAUNCHED, active="activating", sub="auto-restart", result="exit-code")
    assert goals.launched(unit) == Verdict(Outcome.DONE, "it ended (exit-code), and systemd starts it again and again")


def test_a_unit_that_systemd_cannot_load_is_broken() -> None:
    unit = with_state(LOADED, load="bad-setting", problem="systemd cannot load it: bad-setting")
    assert goals.loaded(unit) == Verdict(Outcome.BROKEN, "systemd cannot load it: bad-setting")


@pytest.mark.parametrize("goal", [goals.launched, goals.loaded, goals.stopped, goals.inactive])
def test_a_unit_that_was_destroyed_meanwhile_is_lost(goal: Goal) -> None:
    assert goal(None) == Verdict(Outcome.LOST, "somebody destroyed it meanwhile")


@pytest.mark.parametrize(
    ("goal", "unit"),
    [
        (goals.launched, LOADED),
        (goals.loaded, LAUNCHED),
        (goals.stopped, INACTIVE),
        (goals.inactive, LAUNCHED),
    ],
)
def test_a_unit_that_somebody_wants_otherwise_is_lost(goal: Goal, unit: UnitStatus) -> None:
    assert goal(unit) == Verdict(Outcome.LOST, f"somebody asked for it to be {unit.desiredState} meanwhile")


def test_a_unit_that_has_no_place_is_stopped_already() -> None:
    nowhere = UnitStatus("a.service", 1, "h1", "loaded", "inactive", pending="no machines")
    assert goals.stopped(nowhere) == DONE
    assert goals.loaded(nowhere) == Verdict(Outcome.WAITS, "no machines")
    assert goals.stopped(replace(nowhere, states=[RUNNING])) == Verdict(Outcome.WAITS, "no machines")


@pytest.mark.parametrize(
    ("unit", "since"),
    [
        (None, ""),
        (INACTIVE, ""),
        (LOADED, ""),
        (with_state(LOADED, since="11:00"), "11:00"),
        (with_state(LAUNCHED, active="failed"), "12:00"),
        (LAUNCHED, None),
        (replace(LAUNCHED, machineID=M2), ""),
    ],
)
def test_since_when_a_unit_is_down(unit: UnitStatus | None, since: str | None) -> None:
    assert goals.down_since(unit) == since
