from __future__ import annotations

from dataclasses import replace

from fleetpy_lab.chaos.leftovers import Holdings, leftovers
from tests.unit.lab.chaos_histories import EVERY, HOSTS, KEEP

UNITS = {KEEP.name: KEEP, EVERY.name: EVERY}
PLACES = frozenset({("a", KEEP.name), *((host, EVERY.name) for host in HOSTS)})
NOTHING = Holdings(frozenset(), frozenset(), frozenset(), frozenset(), frozenset(), {"drop-in": frozenset()})
ALL = Holdings(frozenset(UNITS), frozenset(), frozenset(), PLACES, PLACES, {"drop-in": PLACES})


def left(holdings: Holdings, *, wanted: bool) -> list[str]:
    names = UNITS if wanted else {}
    return leftovers(holdings, UNITS, names, names, HOSTS)


def test_what_is_wanted_is_there_and_nothing_else() -> None:
    assert left(ALL, wanted=True) == []
    assert left(NOTHING, wanted=False) == []


def test_whatever_is_left_of_a_unit_that_is_gone_is_named() -> None:
    told = left(replace(NOTHING, units=frozenset({KEEP.name}), overdue=frozenset({"f00"})), wanted=False)
    assert told == ["the registry: unit keep.service is left", "the registry: unit file f00 is left"]
    place = frozenset({("a", KEEP.name)})
    assert left(replace(NOTHING, placements=place), wanted=False)[0] == "the registry: keep.service is placed on a"
    assert left(replace(NOTHING, states=place), wanted=False) == ["the registry: state keep.service on a is left"]
    assert left(replace(NOTHING, on_hosts={"drop-in": place}), wanted=False) == [
        "hosts: drop-in keep.service on a is left"
    ]


def test_what_is_missing_or_in_two_places_is_named() -> None:
    assert left(replace(ALL, lacking=frozenset({"f00"})), wanted=True) == ["the registry: unit file f00 is missing"]
    two = PLACES | {("b", KEEP.name)}
    assert left(replace(ALL, placements=two, states=two, on_hosts={"drop-in": two}), wanted=True) == [
        "the registry: keep.service is placed on a, b"
    ]
    few = PLACES - {("c", EVERY.name)}
    assert left(replace(ALL, placements=few, states=few, on_hosts={"drop-in": few}), wanted=True) == [
        "the registry: every.service is placed on a, b"
    ]
