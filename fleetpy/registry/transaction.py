"""What is true of a transaction in any store: which ones are refused unseen, and when a guard holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from fleetpy.registry.protocol import MAX_OPERATIONS, Absent, Present, UnchangedSince, ValueIs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.registry.protocol import Entry, Guard, Write


def check(writes: Sequence[Write], guards: Sequence[Guard]) -> None:
    """Raise `ValueError` for a transaction that no store takes: too long, a key twice, a guard on no revision."""
    if len(writes) > MAX_OPERATIONS or len(guards) > MAX_OPERATIONS:
        raise ValueError(f"{len(writes)} writes and {len(guards)} guards: a transaction has at most {MAX_OPERATIONS}")
    if len({write.key for write in writes}) < len(writes):
        raise ValueError("a transaction writes each key once")
    for guard in guards:
        if isinstance(guard, UnchangedSince) and guard.revision <= 0:
            raise ValueError(f"no key has revision {guard.revision}: {guard}")


def holds(guard: Guard, entry: Entry | None) -> bool:
    """Whether the guard holds when its key has this entry, or none."""
    match guard:
        case Absent():
            return entry is None
        case Present():
            return entry is not None
        case UnchangedSince():
            return entry is not None and entry.mod_revision == guard.revision
        case ValueIs():
            return entry is not None and entry.value == guard.value
        case _:
            assert_never(guard)
