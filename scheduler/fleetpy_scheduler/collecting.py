"""Clearing away unit files that no unit and no placement refers to any more."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from fleetpy.planner.collect import unreferenced
from fleetpy.registry.protocol import Delete, UnchangedSince
from fleetpy_scheduler.writer import ROOM_FOR_FENCE, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy.registry.cluster import Tables
    from fleetpy.registry.keys import Keys

_FILES_AT_ONCE = 16
"""Few: one file that is taken up again in this very moment voids the transaction for all of its others."""


def collection(tables: Tables, keys: Keys) -> Iterator[Transaction]:
    """Transactions that remove what nothing refers to, each file only if nobody has written it since.

    None while there is a unit whose record cannot be read: nobody knows which file it refers to.
    """
    if not tables.left_out.keys() <= tables.units.keys():
        return
    needless = iter(unreferenced(tables.unit_files, tables.units.values(), tables.placements.values()))
    while chunk := tuple(islice(needless, _FILES_AT_ONCE - ROOM_FOR_FENCE)):
        yield Transaction(
            actions=(),
            writes=tuple(Delete(keys.unit_file(file)) for file in chunk),
            guards=tuple(UnchangedSince(keys.unit_file(file), tables.unit_files[file].mod_revision) for file in chunk),
        )
