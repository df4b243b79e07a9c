"""What is known of the units that are waited for."""

from __future__ import annotations

from dataclasses import replace

from fleetpy.client.errors import ApiUnreachableError
from fleetpy.client.feed import Began, Interrupted
from fleetpy.schemas.fleetpy_v1 import Event, MachineStatus, MachineUnitState, UnitStatus
from fleetpy_cli import goals
from fleetpy_cli.goals import Outcome, Verdict
from fleetpy_cli.watch import Arrival, Watch

M1 = "1" * 32
MACHINE = Event("machine", 1, machine=MachineStatus(M1, "10.0.0.1"))
SYNCED = Event("synced", 1)
RUNNING = MachineUnitState(M1, "h1", "launched", "loaded", "active", "running", since="12:00")


def unit(name: str, *states: MachineUnitState, pending: str = "") -> UnitStatus:
    current = states[0].goal if states else "inactive"
    machine = states[0].machineID if states else ""
    return UnitStatus(name, 1, "h1", "launched", current, machineID=machine, pending=pending, states=list(states))


def told(status: UnitStatus) -> Event:
    return Event("unit", 2, unit=status)


def watch_for(*names: str, before: dict[str, UnitStatus | None] | None = None) -> Watch:
    return Watch(dict.fromkeys(names, goals.launched), before)


def test_nothing_is_judged_before_everything_is_known() -> None:
    watch = watch_for("a.service")
    there = unit("a.service", RUNNING)
    assert [watch.take(item) for item in (Began(), told(there), MACHINE)] == [[], [], []]
    assert watch.take(SYNCED) == [Arrival("a.service", Verdict(Outcome.DONE), there, "10.0.0.1")]
    assert watch.waiting == []


def test_units_arrive_one_by_one() -> None:
    watch = watch_for("a.service", "b.service")
    for item in (Began(), told(unit("a.service")), told(unit("b.service")), SYNCED):
        assert watch.take(item) == []
    assert [arrival.name for arrival in watch.take(told(unit("b.service", RUNNING)))] == ["b.service"]
    assert watch.take(told(unit("b.service", RUNNING))) == []
    assert watch.waiting == ["a.service"]


def test_a_unit_that_the_stream_does_not_speak_of_is_gone() -> None:
    watch = watch_for("a.service")
    watch.take(Began())
    assert [arrival.verdict.outcome for arrival in watch.take(SYNCED)] == [Outcome.LOST]


def test_a_unit_that_goes_is_gone() -> None:
    watch = Watch({"a.service": goals.gone})
    for item in (Began(), told(unit("a.service", RUNNING)), SYNCED):
        assert watch.take(item) == []
    assert watch.take(Event("unit-gone", 3, name="a.service")) == [Arrival("a.service", Verdict(Outcome.DONE), None)]


def test_another_stream_begins_with_nothing() -> None:
    watch = Watch({"a.service": goals.gone})
    for item in (Began(), told(unit("a.service", RUNNING)), SYNCED, Interrupted(ApiUnreachableError("away")), Began()):
        assert watch.take(item) == []
    assert [arrival.name for arrival in watch.take(SYNCED)] == ["a.service"]


def test_other_events_say_nothing_of_units() -> None:
    watch = watch_for("a.service")
    for item in (Began(), told(unit("a.service")), SYNCED, Event("heartbeat", 2), Event("machine-gone", 3, name=M1)):
        assert watch.take(item) == []
    assert watch.waiting == ["a.service"]


def test_a_reason_is_told_once_for_each_change_of_it() -> None:
    watch = watch_for("a.service")
    watch.take(Began())
    watch.take(told(unit("a.service", pending="no machines")))
    assert watch.news() == []
    watch.take(SYNCED)
    assert watch.news() == ["Unit a.service waits: no machines"]
    assert watch.news() == []
    watch.take(told(unit("a.service")))
    assert watch.news() == []
    watch.take(told(unit("a.service", pending="no machines")))
    assert watch.news() == ["Unit a.service waits: no machines"]


def test_units_that_wait_for_the_same_reason_are_told_of_together() -> None:
    names = [f"web@{number}.service" for number in range(5)]
    watch = watch_for(*names, "db.service", "x.service")
    watch.take(Began())
    for name in names:
        watch.take(told(unit(name, pending="no machines")))
    for name in ("db.service", "x.service"):
        watch.take(told(unit(name, pending="1 machine lacks disk=ssd")))
    watch.take(SYNCED)
    assert watch.news() == [
        "Units web@0.service, web@1.service, web@2.service and 2 more wait: no machines",
        "Units db.service, x.service wait: 1 machine lacks disk=ssd",
    ]


def test_a_unit_that_settles_is_waited_for_a_while() -> None:
    watch = watch_for("a.service")
    activating = unit("a.service", replace(RUNNING, active="activating", sub="start"))
    for item in (Began(), told(activating), SYNCED):
        assert watch.take(item) == []
    assert watch.settling == {"a.service"}
    assert watch.news() == []
    assert watch.conclude("a.service") == Arrival(
        "a.service", Verdict(Outcome.DONE, "it is still activating"), activating
    )
    assert (watch.waiting, watch.settling) == ([], frozenset())


def test_a_unit_that_settles_may_come_up_or_move() -> None:
    watch = watch_for("a.service", "b.service")
    down = replace(RUNNING, active="inactive", sub="dead", since="")
    for item in (Began(), told(unit("a.service", down)), told(unit("b.service", down)), SYNCED):
        assert watch.take(item) == []
    assert [arrival.verdict for arrival in watch.take(told(unit("a.service", RUNNING)))] == [Verdict(Outcome.DONE)]
    assert watch.take(told(unit("b.service"))) == []
    assert watch.settling == frozenset()


def test_a_unit_that_is_down_since_later_than_before_has_run() -> None:
    down = replace(RUNNING, active="inactive", sub="dead", since="11:00")
    befores: dict[str, UnitStatus | None] = {
        "new.service": None,
        "old.service": unit("old.service", replace(down, goal="loaded")),
        "never.service": None,
        "running.service": unit("running.service", RUNNING),
    }
    watch = watch_for(*befores, before=befores)
    watch.take(Began())
    for name, since in (("new", "12:00"), ("old", "11:00"), ("never", ""), ("running", "12:00")):
        watch.take(told(unit(f"{name}.service", replace(down, since=since))))
    assert [(arrival.name, arrival.verdict) for arrival in watch.take(SYNCED)] == [
        ("new.service", Verdict(Outcome.DONE))
    ]
    assert watch.settling == {"old.service", "never.service", "running.service"}
    later = unit("old.service", replace(down, since="12:00"))
    assert [arrival.name for arrival in watch.take(told(later))] == ["old.service"]
