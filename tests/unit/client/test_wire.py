"""Entities from JSON and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpy.client.errors import UnreadableAnswerError
from fleetpy.client.wire import decode, encode
from fleetpy.schemas.fleetpy_v1 import (
    Change,
    ChangeBatch,
    ChangeResults,
    Event,
    Explanation,
    Health,
    MachineStatusList,
    UnitStatusPage,
)
from fleetpy.schemas.v1 import MachinePage, UnitEntity, UnitOptionEntity, UnitPage, UnitStatePage


@dataclass(frozen=True, slots=True)
class Inner:
    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Outer:
    inner: Inner | None = None
    many: list[Inner] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    flag: bool = False


def test_absent_fields_have_their_defaults_and_unknown_ones_are_passed_over() -> None:
    assert decode(Outer, b'{"from-the-future": {"x": 1}}') == Outer()


def test_null_is_nothing_where_go_writes_it_for_an_empty_list() -> None:
    assert decode(Outer, b'{"inner": null, "many": null, "named": null}') == Outer()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"many":' * 50_000, "not JSON"),
        (b'{"number": ' + b"9" * 5000, "not JSON"),
        (b"[]", "it should be an object"),
        (b'{"inner": {}}', "inner should be an object with 'text'"),
        (b'{"inner": {"text": 1}}', "inner.text should be a str"),
        (b'{"inner": {"text": "x", "number": true}}', "inner.number should be a int"),
        (b'{"many": [{"text": "x"}, 3]}', "many.[] should be an object"),
        (b'{"many": {}}', "many should be a list"),
        (b'{"named": {"a": 1}}', "named should be a str"),
        (b'{"named": []}', "named should be an object"),
        (b'{"flag": "yes"}', "flag should be a bool"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(text: bytes, says: str) -> None:
    with pytest.raises(UnreadableAnswerError) as raised:
        decode(Outer, text)
    assert says in str(raised.value)


def test_fields_that_are_none_are_not_written() -> None:
    batch = ChangeBatch([Change("a.service", options=[UnitOptionEntity("Service", "ExecStart", "/bin/true")])])
    assert json.loads(encode(batch)) == {
        "changes": [
            {
                "name": "a.service",
                "action": "set",
                "options": [{"section": "Service", "name": "ExecStart", "value": "/bin/true"}],
            }
        ]
    }


@pytest.mark.parametrize(
    "kind",
    [
        ChangeBatch,
        ChangeResults,
        Event,
        Explanation,
        Health,
        MachineStatusList,
        UnitStatusPage,
        MachinePage,
        UnitEntity,
        UnitPage,
        UnitStatePage,
    ],
)
@settings(deadline=None)  # the first example of a class waits for its reader to be made
@given(data=st.data())
def test_every_entity_comes_back_as_it_was(kind: type[object], data: st.DataObject) -> None:
    entity = data.draw(st.from_type(kind))
    assert decode(kind, encode(entity)) == entity
