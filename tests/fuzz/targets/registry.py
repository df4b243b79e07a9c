"""Values in the registry: the tables take every key and value, a plan comes of it, and the other unit is in it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import cache

from fleetpy.ids import Epoch, LeaseID, MachineID, Revision, SessionID, UnitName, UnitUID
from fleetpy.model.records import MachineRecord, PlacementRecord, UnitFileRecord, UnitRecord
from fleetpy.model.states import UnitGoal
from fleetpy.planner.plan import PlanSettings, plan
from fleetpy.registry.cluster import Tables
from fleetpy.registry.keys import Keys
from fleetpy.registry.protocol import Entry
from fleetpy.registry.view import Changes
from fleetpy.unit.file import UnitFile
from tests.fuzz.inputs import halves_of

KEYS = Keys()
MACHINE = MachineID("1" * 32)
OTHER = MachineID("2" * 32)
GOOD = UnitName("good.service")
FILE = UnitFile.parse("[Service]\nExecStart=/bin/true\n")
WORDS = (
    "units/bad.service\0",
    "unit-files/\0",
    f"machines/{OTHER}\0",
    f"machine-settings/{MACHINE}\0",
    f"placements/{MACHINE}/bad.service\0",
    f"placements/{MACHINE}/{GOOD}\0",
    f"states/{OTHER}/bad.service\0",
    "scheduler/leader\0",
    "scheduler/brake\0",
    "scheduler/released\0",
    '{"desired":"launched","hash":"","changed_at":"2026-01-02T00:00:00Z","changed_by":""}',
    '"epoch":',
    '"uid":',
    '"metadata":{"a":null}',
    '"machines":[',
    "99999999999999999999",
    "253402300800",
)


def check(data: bytes) -> None:
    """Put a key, `key NUL value`, beside a good cluster."""
    logging.disable(logging.CRITICAL)
    try:
        _check(*halves_of(data))
    finally:
        logging.disable(logging.NOTSET)


def _check(rest: str, value: str) -> None:
    tables = Tables(KEYS)
    for good in _good():
        _apply(tables, good)
    # etcd's keys are any bytes; the registry makes them text.
    key = KEYS.prefix + rest.encode(errors="surrogateescape").decode(errors="replace")
    known = _apply(tables, Entry(key, value.encode(errors="surrogateescape"), Revision(8), Revision(9), LeaseID(5)))
    planned = plan(tables.snapshot(), 100.0, PlanSettings())
    if key not in {good.key for good in _good()}:
        assert GOOD in tables.planned_units
        if "settings" not in key and "states" not in key and GOOD not in key:
            assert any(getattr(action, "name", None) == GOOD for action in planned.actions)
    if known:
        tables.apply(Changes(Revision(10), {}, frozenset({key})))
        plan(tables.snapshot(), 100.0, PlanSettings())


def _apply(tables: Tables, entry: Entry) -> bool:
    """As a view does; whether it is anything."""
    try:
        decoded = tables.decode(entry)
    except ValueError:
        return False
    if decoded is not None:
        tables.apply(Changes(entry.mod_revision, {entry.key: decoded}, frozenset()))
    return decoded is not None


@cache
def _good() -> tuple[Entry, ...]:
    then = datetime(2026, 1, 2, tzinfo=UTC)
    unit = UnitRecord(desired=UnitGoal.LAUNCHED, hash=FILE.hash, changed_at=then, changed_by="me")
    machine = MachineRecord(id=MACHINE, session=SessionID("5" * 32), hostname="h", public_ip="192.0.2.1", version="1")
    gone = PlacementRecord(uid=UnitUID(1), hash=FILE.hash, goal=UnitGoal.LAUNCHED, epoch=Epoch(1))
    return (
        Entry(KEYS.unit_file(FILE.hash), UnitFileRecord(text=FILE.text).encode(), Revision(1), Revision(1)),
        Entry(KEYS.unit(GOOD), unit.encode(), Revision(2), Revision(2)),
        Entry(KEYS.machine(MACHINE), machine.encode(), Revision(3), Revision(3), LeaseID(4)),
        Entry(KEYS.placement(MACHINE, UnitName("gone.service")), gone.encode(), Revision(4), Revision(4)),
    )
