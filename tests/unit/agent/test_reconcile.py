"""The decision what to do: its table, and what holds of every decision."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.ids import Epoch, UnitHash, UnitName, UnitUID
from fleetpy.model.records import PlacementRecord
from fleetpy.model.states import UnitGoal
from fleetpy_agent.applied import STRAY, AppliedRecord
from fleetpy_agent.reconcile import NO_UNIT, Kind, Picture, Task, reconcile, refusals
from fleetpy_agent.systemd.protocol import NOWHERE, UnitStatus, Verb
from tests.unit.agent.harness import DB, LAUNCHED, LOADED, WEB

ACTIVE = UnitStatus("loaded", "active", "running")
DEAD = UnitStatus("loaded", "inactive", "dead")
FAILED = UnitStatus("loaded", "failed", "failed")
GONE_WHILE_RUNNING = UnitStatus("not-found", "active", "running")
INACTIVE = UnitGoal.INACTIVE


def wish(
    goal: UnitGoal = LAUNCHED, *, uid: int = 1, epoch: int = 1, text: str = "a", restarted: str | None = None
) -> PlacementRecord:
    return PlacementRecord(uid=UnitUID(uid), hash=UnitHash(text), goal=goal, epoch=Epoch(epoch), restarted=restarted)


def done(
    goal: UnitGoal = LAUNCHED,
    *,
    uid: int = 1,
    epoch: int = 1,
    text: str = "a",
    restarted: str | None = None,
    adrift: bool = False,
) -> AppliedRecord:
    return AppliedRecord(
        uid=UnitUID(uid), hash=UnitHash(text), goal=goal, epoch=Epoch(epoch), restarted=restarted, adrift=adrift
    )


def picture(
    wanted: PlacementRecord | None = None,
    applied: AppliedRecord | None = None,
    status: UnitStatus = NOWHERE,
    job: Verb | None = None,
) -> Picture:
    """A host with one unit at the most."""
    return Picture(
        wanted={} if wanted is None else {WEB: wanted},
        applied={} if applied is None else {WEB: applied},
        units={WEB: status},
        jobs={} if job is None else {WEB: job},
    )


def kinds(seen: Picture) -> str:
    """What is to be done, such as `stop unload reload`."""
    return " ".join(task.kind.name.lower() for task in reconcile(seen))


REPLACED = "stop unload write reload load start"


@pytest.mark.parametrize(
    ("seen", "tasks"),
    [
        (picture(), ""),
        (picture(wish()), "write load start"),
        (picture(wish(LOADED)), "write load"),
        (picture(wish(), None, DEAD), "write reload load start"),
        (picture(wish(), done(INACTIVE)), "write load start"),
        (picture(wish(), done(INACTIVE), DEAD), "write reload load start"),
        (picture(wish(LOADED), done(LOADED), DEAD), ""),
        (picture(wish(), done(LOADED), DEAD), "start"),
        (picture(wish(), done(LOADED), ACTIVE), "start"),
        (picture(wish(), done(), ACTIVE), ""),
        (picture(wish(), done(), FAILED), ""),
        (picture(wish(), done(), DEAD), ""),
        (picture(wish(LOADED), done(), ACTIVE), "stop"),
        (picture(wish(LOADED), done(), FAILED), "stop"),
        (picture(wish(LOADED), done(LOADED), ACTIVE), ""),
        (picture(None, done(), ACTIVE), "stop unload reload"),
        (picture(None, done(), FAILED), "unload reload"),
        (picture(None, done(LOADED), DEAD), "unload reload"),
        (picture(None, STRAY, ACTIVE), "stop unload reload"),
        (picture(wish(), STRAY, ACTIVE), REPLACED),
        (picture(wish(text="b"), done(), ACTIVE), REPLACED),
        (picture(wish(text="b"), done(), DEAD), "unload write reload load start"),
        (picture(wish(LOADED, text="b"), done(), ACTIVE), "stop unload write reload load"),
        (picture(wish(uid=2, epoch=2), done(), ACTIVE), REPLACED),
        (picture(wish(epoch=2), done(), ACTIVE), REPLACED),
        (picture(wish(restarted="noon"), done(), ACTIVE), "restart"),
        (picture(wish(restarted="noon"), done(), FAILED), "restart"),
        (picture(wish(restarted="noon"), done(restarted="noon"), ACTIVE), ""),
        (picture(wish(restarted="noon"), done(LOADED), DEAD), "start"),
        (picture(wish(LOADED, restarted="noon"), done(LOADED), DEAD), "note"),
        (picture(wish(LOADED, restarted="noon"), done(), ACTIVE), "stop note"),
        (picture(wish(), done(), GONE_WHILE_RUNNING), "write load"),
        (picture(wish(LOADED), done(LOADED), NOWHERE), "write load"),
    ],
)
def test_what_is_done_follows_from_what_is_wanted_what_was_done_and_what_is_seen(seen: Picture, tasks: str) -> None:
    assert kinds(seen) == tasks


@pytest.mark.parametrize(
    ("seen", "tasks"),
    [
        (picture(wish(), done(LOADED), DEAD, Verb.START), ""),
        (picture(wish(LOADED), done(LOADED), DEAD, Verb.START), "stop"),
        (picture(wish(LOADED), done(), ACTIVE, Verb.START), "stop"),
        (picture(wish(), done(LOADED), ACTIVE, Verb.STOP), "start"),
        (picture(wish(LOADED), done(), ACTIVE, Verb.STOP), ""),
        (picture(None, done(LOADED), ACTIVE, Verb.STOP), ""),
        (picture(None, done(LOADED), DEAD, Verb.START), "stop unload reload"),
        (picture(wish(text="b"), done(), ACTIVE, Verb.STOP), ""),
        (picture(wish(text="b"), done(), ACTIVE, Verb.START), REPLACED),
        # The registry was set back.
        (picture(None, done(adrift=True), ACTIVE), ""),
        (picture(None, done(adrift=True), DEAD), "unload reload"),
        (picture(wish(), done(adrift=True), ACTIVE), "note"),
        (picture(wish(uid=7, epoch=7), done(adrift=True), ACTIVE), "note"),
        (picture(wish(uid=1, epoch=3), done(uid=5, epoch=6), ACTIVE), "note"),
        (picture(wish(LOADED, uid=7, epoch=7), done(adrift=True), ACTIVE), "stop note"),
        (picture(wish(uid=7, epoch=7, text="b"), done(adrift=True), ACTIVE), REPLACED),
        (picture(wish(restarted="2026-01-01"), done(restarted="2026-01-02"), ACTIVE), ""),
        (picture(wish(restarted="noon"), done(), ACTIVE, Verb.RESTART), ""),
        (picture(wish(LOADED), done(), ACTIVE, Verb.RESTART), "stop"),
    ],
)
def test_a_job_under_way_counts_as_what_it_will_have_done(seen: Picture, tasks: str) -> None:
    assert kinds(seen) == tasks


def test_each_task_says_why() -> None:
    assert reconcile(picture(wish(), done(text="old"), ACTIVE))[0] == Task(Kind.STOP, WEB, "its unit file has changed")
    assert reconcile(picture(None, done(), ACTIVE))[0] == Task(Kind.STOP, WEB, "it is no longer placed here")
    assert reconcile(picture(wish(restarted="noon"), done(), ACTIVE)) == (
        Task(Kind.RESTART, WEB, "a restart was asked for at noon"),
    )


def test_a_name_that_the_host_has_taken_is_refused_and_not_touched() -> None:
    taken = replace(picture(wish(), None, ACTIVE), collisions={WEB: "/lib/systemd/system/web.service"})
    assert reconcile(taken) == ()
    assert refusals(taken) == {WEB: "/lib/systemd/system/web.service"}


def test_a_name_that_the_host_takes_over_is_let_go_of_without_a_stop() -> None:
    taken = replace(picture(wish(), done(), ACTIVE), collisions={WEB: "/etc/systemd/system/web.service"})
    assert kinds(taken) == "unload reload"


def test_a_placement_that_is_only_unreadable_is_not_taken_for_gone() -> None:
    assert reconcile(replace(picture(None, done(), ACTIVE), unreadable=frozenset({WEB}))) == ()


def test_while_the_cluster_does_not_count_on_the_machine_it_only_clears_away() -> None:
    def away(seen: Picture) -> str:
        return kinds(replace(seen, registered=False))

    assert away(picture(wish())) == ""
    assert away(picture(wish(), done(LOADED), DEAD)) == ""
    assert away(picture(wish(text="b"), done(), ACTIVE)) == ""
    assert away(picture(None, done(), ACTIVE)) == "stop unload reload"
    assert away(picture(wish(epoch=2), done(), ACTIVE)) == "stop unload reload"


def test_a_unit_in_trouble_is_left_alone_and_the_others_are_not() -> None:
    seen = Picture({WEB: wish(), DB: wish()}, {}, {}, held_back=frozenset({WEB}))
    assert {task.name for task in reconcile(seen)} == {DB}


NAMES = [UnitName(f"u{number}.service") for number in range(5)]
small = st.integers(1, 2)
goals = st.sampled_from([LOADED, LAUNCHED])
stamps = st.sampled_from([None, "2026-01-01", "2026-01-02"])
wishes = st.builds(
    lambda goal, uid, text, stamp: wish(goal, uid=uid, epoch=uid, text=text, restarted=stamp),
    goals,
    small,
    st.sampled_from("ab"),
    stamps,
)
records = st.one_of(
    st.just(STRAY),
    st.builds(
        lambda goal, uid, text, stamp, adrift: done(
            goal, uid=uid, epoch=uid, text=text, restarted=stamp, adrift=adrift
        ),
        st.sampled_from([INACTIVE, LOADED, LAUNCHED]),
        small,
        st.sampled_from("ab"),
        stamps,
        st.booleans(),
    ),
)
statuses = st.sampled_from([NOWHERE, ACTIVE, DEAD, FAILED, GONE_WHILE_RUNNING])
names = st.sampled_from(NAMES)
pictures = st.builds(
    Picture,
    wanted=st.dictionaries(names, wishes),
    applied=st.dictionaries(names, records),
    units=st.dictionaries(names, statuses),
    collisions=st.dictionaries(names, st.just("/lib/systemd/system/x.service"), max_size=1),
    unreadable=st.frozensets(names, max_size=1),
    held_back=st.frozensets(names, max_size=1),
    registered=st.booleans(),
).map(lambda seen: replace(seen, unreadable=seen.unreadable - seen.wanted.keys()))


def carry_out(tasks: tuple[Task, ...], seen: Picture) -> Picture:
    """The host after the tasks, if all of them succeed."""
    applied, units = dict(seen.applied), dict(seen.units)
    for kind, name in ((task.kind, task.name) for task in tasks):
        if kind is Kind.STOP:
            units[name] = replace(units[name], active="inactive") if name in units else NOWHERE
            applied[name] = applied[name].replace(goal=LOADED)
        elif kind is Kind.UNLOAD:
            del applied[name]
            units[name] = NOWHERE
        elif kind is Kind.WRITE:
            if applied.get(name, STRAY).goal is INACTIVE or name not in applied:
                wanted = seen.wanted[name]
                applied[name] = AppliedRecord(
                    uid=wanted.uid, epoch=wanted.epoch, hash=wanted.hash, restarted=wanted.restarted
                )
            units[name] = replace(units.get(name, NOWHERE), load="loaded")
        elif kind is Kind.LOAD:
            if applied[name].goal is INACTIVE:
                applied[name] = applied[name].replace(goal=LOADED)
        elif kind in {Kind.START, Kind.RESTART}:
            update = {"goal": LAUNCHED, "restarted": seen.wanted[name].restarted}
            applied[name] = applied[name].replace(**update)
            units[name] = ACTIVE
        elif kind is Kind.NOTE:
            applied[name] = applied[name].taken_over(seen.wanted[name])
    return replace(seen, applied=applied, units=units)


@given(pictures)
def test_when_everything_was_carried_out_there_is_nothing_left_to_do(seen: Picture) -> None:
    assert reconcile(carry_out(reconcile(seen), seen)) == ()


@given(pictures)
def test_a_registered_host_has_what_is_wanted_in_the_end(seen: Picture) -> None:
    seen = replace(seen, registered=True, held_back=frozenset(), unreadable=frozenset(), collisions={})
    after = carry_out(reconcile(seen), seen)
    assert {name for name, record in after.applied.items() if not record.adrift} == seen.wanted.keys()
    for name, wanted in seen.wanted.items():
        record = after.applied[name]
        assert (record.uid, record.epoch, record.hash, record.goal) == (
            wanted.uid,
            wanted.epoch,
            wanted.hash,
            wanted.goal,
        )
        assert wanted.restarted is None or (record.restarted is not None and record.restarted >= wanted.restarted)


@given(pictures)
def test_tasks_come_kind_by_kind_with_one_reload_at_the_most(seen: Picture) -> None:
    tasks = reconcile(seen)
    assert list(tasks) == sorted(tasks, key=lambda task: (task.kind, task.name))
    assert [task.name for task in tasks if task.kind is Kind.RELOAD] in ([], [NO_UNIT])
    assert max(Counter((task.kind, task.name) for task in tasks).values(), default=1) == 1


@given(pictures)
def test_what_runs_is_never_written_over_nor_unloaded_without_a_stop(seen: Picture) -> None:
    tasks = {(task.kind, task.name) for task in reconcile(seen)}
    for name in {name for kind, name in tasks if kind is Kind.UNLOAD} - seen.collisions.keys():
        assert not seen.is_up(name) or (Kind.STOP, name) in tasks
    for name in {name for kind, name in tasks if kind is Kind.WRITE}:
        record = seen.applied.get(name)
        wanted = seen.wanted[name]
        same = record is not None and record.hash == wanted.hash and (record.is_of(wanted) or record.outlived(wanted))
        assert record is None or same or (Kind.UNLOAD, name) in tasks


@given(pictures)
def test_a_unit_that_was_launched_is_not_started_again(seen: Picture) -> None:
    for task in reconcile(seen):
        if task.kind in {Kind.START, Kind.RESTART}:
            record, wanted = seen.applied.get(task.name), seen.wanted[task.name]
            if record is not None and record.is_of(wanted) and record.hash == wanted.hash:
                assert record.goal is not LAUNCHED or record.restarted != wanted.restarted


@given(pictures)
def test_nothing_is_done_with_units_that_are_to_be_left_alone(seen: Picture) -> None:
    touched = {task.name for task in reconcile(seen)}
    assert not touched & (seen.unreadable | seen.held_back)
    assert not touched & (seen.collisions.keys() - seen.applied.keys())


@given(pictures)
def test_an_unregistered_host_only_clears_away(seen: Picture) -> None:
    tasks = reconcile(replace(seen, registered=False))
    assert {task.kind for task in tasks} <= {Kind.STOP, Kind.UNLOAD, Kind.RELOAD, Kind.NOTE}


@given(pictures)
def test_the_decision_does_not_depend_on_the_order_of_what_is_seen(seen: Picture) -> None:
    def backwards(table: dict[UnitName, object]) -> dict[UnitName, object]:
        return dict(reversed(table.items()))

    again = replace(
        seen,
        wanted=backwards(dict(seen.wanted)),  # type: ignore[arg-type]  # the values' types are lost on the way
        applied=backwards(dict(seen.applied)),  # type: ignore[arg-type]  # likewise
        units=backwards(dict(seen.units)),  # type: ignore[arg-type]  # likewise
    )
    assert reconcile(again) == reconcile(seen)
