"""The values in the registry, as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetpy.ids import Epoch, UnitHash, UnitUID
from fleetpy.model.records import MachineSettingsRecord, PlacementRecord, StateRecord, UnitRecord
from fleetpy.model.states import UnitGoal

UNIT = UnitRecord(
    desired=UnitGoal.LAUNCHED, hash=UnitHash("4" * 40), changed_at=datetime(2026, 1, 2, tzinfo=UTC), changed_by="me"
)
PLACEMENT = PlacementRecord(uid=UnitUID(5), hash=UnitHash("4" * 40), goal=UnitGoal.LOADED, epoch=Epoch(6))


def test_a_record_leaves_out_what_has_its_default() -> None:
    assert PLACEMENT.encode() == b'{"uid":5,"hash":"%s","goal":"loaded","epoch":6}' % (b"4" * 40)
    assert MachineSettingsRecord().encode() == b"{}"
    assert MachineSettingsRecord(metadata={"disk": None}).encode() == b'{"metadata":{"disk":null}}'


def test_a_record_is_read_as_it_was_written() -> None:
    state = StateRecord(
        uid=UnitUID(5), epoch=Epoch(6), hash=UnitHash("4"), active="active", since=UNIT.changed_at, adrift=True
    )
    for record in (UNIT, PLACEMENT, state, MachineSettingsRecord(metadata={"disk": None, "region": "ü"})):
        assert type(record).decode(record.encode()) == record


def test_what_an_older_fleetpy_wrote_is_read() -> None:
    written = b"""{"uid": 5, "hash": "4", "goal": "launched", "epoch": 6, "restarted": null, "stops": false}"""
    read = PlacementRecord.decode(written)
    assert read == PlacementRecord(uid=UnitUID(5), hash=UnitHash("4"), goal=UnitGoal.LAUNCHED, epoch=Epoch(6))


def test_fields_of_a_newer_fleetpy_are_ignored() -> None:
    assert PlacementRecord.decode(PLACEMENT.encode()[:-1] + b',"newer":[{"uid":null}]}') == PLACEMENT


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"uid":5}', "missing required field"),
        (PLACEMENT.encode().replace(b"5", b'"5"'), r"Expected `int`, got `str` - at `\$.uid`"),
        (PLACEMENT.encode().replace(b"loaded", b"gone"), r"Invalid enum value 'gone' - at `\$.goal`"),
        (PLACEMENT.encode().replace(b'"4', b'"\xff'), "utf-8"),
        (b'{"newer":' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_record_says_what_is_wrong_with_it(value: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        PlacementRecord.decode(value)


def test_text_that_is_no_unicode_is_not_written() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        UNIT.replace(changed_by="\ud800").encode()
