from __future__ import annotations

from datetime import UTC, datetime

from fleetpy.ids import Epoch, Revision, UnitHash, UnitUID
from fleetpy.model.records import LeaderRecord, PlacementRecord, UnitRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.protocol import Entry
from fleetpy_lab.chaos.checker import check
from fleetpy_lab.chaos.effects import effects
from fleetpy_lab.chaos.experiment import Outcome
from fleetpy_lab.chaos.faults import FaultKind
from fleetpy_lab.chaos.observer import KEYS, Change
from fleetpy_lab.chaos.promises import Promises
from fleetpy_lab.chaos.registry_log import absences, brakes, needless_since, registrations, takeovers
from fleetpy_lab.chaos.report import render
from fleetpy_lab.chaos.spans import Span
from tests.unit.lab.chaos_histories import EVERY, HOSTS, KEEP, ONCE, Story

MACHINE = f"{KEYS.machines}m1"


def put(at: float, key: str, value: bytes = b"{}") -> Change:
    return Change(at, key, Entry(key, value, Revision(1), Revision(1)))


def unit(at: float, name: str, text: str) -> Change:
    record = UnitRecord(
        desired=UnitGoal.LAUNCHED, hash=UnitHash(text), changed_at=datetime(2026, 1, 1, tzinfo=UTC), changed_by="me"
    )
    return put(at, f"{KEYS.units}{name}", record.encode())


def cut_off() -> Story:
    story = Story((KEEP, ONCE, EVERY))
    story.struck(FaultKind.HOST_CUT_OFF, "a", 100.0, 140.0)
    story.ran("a", 0.5, 140.4, unit=KEEP)
    story.ran("b", 110.0, unit=KEEP)
    story.ran("a", 0.5, 108.0, unit=ONCE)
    story.ran("b", 126.0, unit=ONCE)
    for host in HOSTS:
        story.ran(host, 0.5, unit=EVERY)
    return story


def test_a_faults_effects_are_the_runs_that_it_ended_and_the_time_until_others_began() -> None:
    (effect,) = effects(cut_off().told(), Promises())
    assert (effect.ended, effect.keep, effect.stop, effect.after) == (2, 10.0, 26.0, None)
    assert effect.stale is not None
    assert round(effect.stale, 3) == 0.4


def test_what_runs_again_only_after_a_faults_end_is_counted_from_there_too() -> None:
    story = Story((KEEP,))
    story.struck(FaultKind.ETCD_FROZEN, "", 100.0, 120.0)
    story.wish(90.0, KEEP, text=None)
    story.wish(110.0, KEEP, text=1)
    story.ran("a", 122.0)
    (effect,) = effects(story.told(), Promises())
    assert (effect.ended, effect.keep, effect.after) == (0, 22.0, 2.0)


def test_the_report_gives_a_verdict_figures_and_with_a_violation_what_is_known_of_it() -> None:
    story = cut_off()
    story.ran("c", 300.0, 301.0, unit=KEEP)
    history = story.told()
    outcome = Outcome(history, ["hosts: drop-in keep.service on a is left"], [put(299.0, MACHINE)])
    text = render(outcome, check(history, Promises()), Promises(), "Chaos")
    assert "2 violations, 1 things left behind or missing:" in text
    assert "  keep.service: ran on b and on c for 1.00 s, neither of them lost (twice while it is not noticed)" in text
    assert "  hosts: drop-in keep.service on a is left" in text
    assert "  100.0  host cut off  a     40.0    2           10.0        26.0        -              0.4" in text
    assert "    299.00  registry: /fleetpy/v1/machines/m1 at 1: {}" in text
    assert "    300.00  begins on c: text 1, epoch 300" in text
    assert "begins on b" not in text


def test_a_report_without_violations_says_so() -> None:
    history = cut_off().told()
    text = render(Outcome(history, [], []), check(history, Promises()), Promises(), "Chaos")
    assert "Every promise was kept, and nothing was left behind." in text


def test_a_takeover_is_a_new_term_of_a_leader_whatever_becomes_of_the_key() -> None:
    first = LeaderRecord(identity="a", since=datetime(2026, 1, 1, tzinfo=UTC), writing="1")
    again = first.replace(since=datetime(2026, 1, 2, tzinfo=UTC))
    written = [first, first.replace(writing="2"), again, again.replace(identity="b")]
    changes = [put(float(at), KEYS.leader, leader.encode()) for at, leader in enumerate(written)]
    assert takeovers([*changes, Change(9.0, KEYS.leader, None)]) == [0.0, 2.0, 3.0]


def test_a_machine_is_away_while_its_key_is_gone_and_many_at_once_are_a_brake() -> None:
    keys = [f"{KEYS.machines}m{number}" for number in range(5)]
    changes = [put(0.0, key) for key in keys]
    changes += [Change(10.0 + number, key, None) for number, key in enumerate(keys[:3])]
    changes += [put(20.0 + number, key) for number, key in enumerate(keys[:2])]
    away = absences(changes, [f"m{number}" for number in range(5)], ended=30.0)
    assert away == [Span(10.0, 20.0), Span(11.0, 21.0), Span(12.0, 30.0)]
    assert brakes(away, machines=5) == [Span(12.0, 20.0)]
    assert [registrations(changes, f"m{number}") for number in (1, 2, 3)] == [[21.0], [], []]


def test_a_text_is_needless_from_when_the_last_unit_and_placement_let_go_of_it() -> None:
    placement = PlacementRecord(uid=UnitUID(1), hash=UnitHash("f1"), goal=UnitGoal.LAUNCHED, epoch=Epoch(1))
    changes = [
        put(1.0, f"{KEYS.unit_files}f1"),
        put(1.0, f"{KEYS.unit_files}f2"),
        put(1.0, f"{KEYS.unit_files}f3"),
        unit(1.0, "a.service", "f1"),
        unit(1.0, "b.service", "f2"),
        put(2.0, f"{KEYS.placements}m1/a.service", placement.encode()),
        Change(3.0, f"{KEYS.units}a.service", None),
        unit(4.0, "b.service", "f3"),
        Change(5.0, f"{KEYS.placements}m1/a.service", None),
    ]
    assert needless_since(changes) == {"f1": 5.0, "f2": 4.0}
    assert needless_since([*changes, Change(6.0, f"{KEYS.unit_files}f1", None)]) == {"f2": 4.0}
