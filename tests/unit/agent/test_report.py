"""What is said of a unit, from what is wanted, was done and is seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fleetpy.ids import Epoch, UnitHash, UnitUID
from fleetpy.model.records import PlacementRecord, StateRecord
from fleetpy.model.states import UnitGoal
from fleetpy_agent.applied import STRAY, AppliedRecord
from fleetpy_agent.reconcile import Picture
from fleetpy_agent.report import Details, Findings, report
from fleetpy_agent.systemd.protocol import NOWHERE, UnitStatus, Verb
from tests.unit.agent.harness import DB, LAUNCHED, LOADED, WEB

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WISH = PlacementRecord(uid=UnitUID(1), hash=UnitHash("a"), goal=LAUNCHED, epoch=Epoch(2), restarted="noon")
DONE = AppliedRecord(uid=UnitUID(1), hash=UnitHash("a"), goal=LAUNCHED, epoch=Epoch(2), restarted="noon")
RUNS = UnitStatus("loaded", "active", "running")
SEEN = Picture({WEB: WISH}, {WEB: DONE}, {WEB: RUNS})
NOTHING = Findings()


def said(seen: Picture, findings: Findings = NOTHING) -> StateRecord:
    (state,) = report(seen, findings).values()
    return state


def test_what_systemd_shows_is_passed_through_as_it_is() -> None:
    findings = Findings({WEB: Details(NOON, "exit-code")}, {WEB: "it ran into trouble"})
    assert said(SEEN, findings) == StateRecord(
        uid=UnitUID(1),
        epoch=Epoch(2),
        hash=UnitHash("a"),
        goal=LAUNCHED,
        restarted="noon",
        load="loaded",
        active="active",
        sub="running",
        result="exit-code",
        since=NOON,
        problem="it ran into trouble",
    )


def test_a_unit_that_nothing_was_done_with_yet_is_said_to_be_there_all_the_same() -> None:
    assert said(replace(SEEN, applied={}, units={})) == StateRecord(
        uid=UnitUID(1), epoch=Epoch(2), hash=UnitHash("a"), goal=UnitGoal.INACTIVE
    )


def test_a_unit_whose_files_are_on_their_way_is_said_to_be_there_and_not_to_be_missing() -> None:
    writing = DONE.replace(goal=UnitGoal.INACTIVE)
    begun = said(replace(SEEN, applied={WEB: writing}, units={WEB: NOWHERE}))
    assert begun == said(replace(SEEN, applied={}, units={}))


def test_what_is_left_of_an_older_placement_is_said_to_be_of_that_one() -> None:
    newer = WISH.replace(uid=UnitUID(5), epoch=Epoch(6), hash=UnitHash("b"))
    state = said(replace(SEEN, wanted={WEB: newer}))
    assert (state.uid, state.epoch, state.hash) == (1, 2, "a")


def test_what_is_left_without_a_placement_is_said_to_be_left() -> None:
    assert said(replace(SEEN, wanted={})).active == "active"


def test_a_stray_is_of_no_unit_unless_one_of_its_name_is_wanted() -> None:
    assert said(replace(SEEN, wanted={}, applied={WEB: STRAY})).uid == 0
    assert said(replace(SEEN, applied={WEB: STRAY})).uid == 1


def test_a_stop_or_a_restart_that_is_under_way_is_not_yet_carried_out() -> None:
    stopped = DONE.replace(goal=LOADED)
    assert said(replace(SEEN, applied={WEB: stopped}, jobs={WEB: Verb.STOP})).goal is LAUNCHED
    assert said(replace(SEEN, applied={WEB: stopped})).goal is LOADED
    assert said(replace(SEEN, jobs={WEB: Verb.RESTART})).restarted is None


def test_a_start_is_carried_out_as_soon_as_systemd_has_taken_it() -> None:
    assert said(replace(SEEN, jobs={WEB: Verb.START})).goal is LAUNCHED


def test_a_refusal_says_what_the_unit_collides_with() -> None:
    state = said(replace(SEEN, applied={}, collisions={WEB: "/etc/systemd/system/web.service"}))
    assert state.refused == "the host has a unit of its own of that name: /etc/systemd/system/web.service"
    assert state.active == ""


def test_units_that_are_neither_wanted_nor_left_are_not_spoken_of() -> None:
    seen = replace(SEEN, wanted={}, applied={}, units={WEB: RUNS, DB: RUNS}, collisions={DB: "/etc/x"})
    assert report(seen, NOTHING) == {}
