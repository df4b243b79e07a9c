"""Telling in the registry how the brake on mass failure is, and keeping the list of machines released from it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fleetpy.model.records import BrakeRecord
from fleetpy.registry.protocol import Delete, Put, UnchangedSince
from fleetpy_scheduler.writer import Transaction

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from fleetpy.ids import MachineID
    from fleetpy.planner.brake import Brake
    from fleetpy.registry.cluster import Tables
    from fleetpy.registry.keys import Keys


def telling(brake: Brake | None, tables: Tables, keys: Keys, now: float, wall: datetime) -> Iterator[Transaction]:
    """What to write so that the registry says how the brake is.

    `now` and `wall` are one moment by the leader's clock, which `brake` goes by, and by the wall clock.
    """
    told = tables.brake.record if tables.brake is not None else None
    if brake is None:
        if told is not None:
            yield Transaction((), (Delete(keys.brake),), ())
        return
    until = wall + timedelta(seconds=brake.until - now)
    record = BrakeRecord(machines=list(brake.held), lost=brake.lost, total=brake.total, until=until)
    if told is None or told.replace(until=until) != record:
        yield Transaction((), (Put(keys.brake, record.encode()),), ())


def forgetting(lost: Collection[MachineID], tables: Tables, keys: Keys) -> Iterator[Transaction]:
    """What to write so that only lost machines stay released: when one is lost again, that is another matter."""
    release = tables.release
    if release is None or (still := [one for one in release.record.machines if one in lost]) == release.record.machines:
        return
    record = release.record.replace(machines=still)
    write = Put(keys.brake_release, record.encode()) if still else Delete(keys.brake_release)
    yield Transaction((), (write,), (UnchangedSince(keys.brake_release, release.mod_revision),))
