"""From the planner's actions to fenced transactions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from fleetpy.model.records import PlacementRecord
from fleetpy.planner.actions import Place, Unplace, Update
from fleetpy.registry.protocol import MAX_OPERATIONS, Absent, Delete, Present, Put

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fleetpy.planner.actions import Action
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Guard, Write

ROOM_FOR_FENCE = 1


@dataclass(frozen=True, slots=True)
class Transaction:
    """Actions that are written together, or not at all; the fence comes on top of `guards`."""

    actions: tuple[Action, ...]
    writes: tuple[Write, ...]
    guards: tuple[Guard, ...]


def transactions(actions: Sequence[Action], keys: Keys, limit: int = MAX_OPERATIONS) -> Iterator[Transaction]:
    """Cut the actions, in order, into transactions of at most `limit` writes and `limit` guards, the fence included.

    A unit is given to a machine only if the machine is registered at that very revision (#500 of the original), and
    taken from a lost one only if that is not: else a machine that is just back may start what is given to another.
    """
    waiting = iter(actions)
    while chunk := tuple(islice(waiting, limit - ROOM_FOR_FENCE)):
        machines = sorted({action.machine for action in chunk if isinstance(action, Place)})
        lost = sorted({action.machine for action in chunk if isinstance(action, Unplace) and action.lost})
        yield Transaction(
            actions=chunk,
            writes=tuple(_write(action, keys) for action in chunk),
            guards=(
                *(Present(keys.machine(machine)) for machine in machines),
                *(Absent(keys.machine(machine)) for machine in lost),
            ),
        )


def _write(action: Action, keys: Keys) -> Write:
    key = keys.placement(action.machine, action.name)
    match action:
        case Unplace():
            return Delete(key)
        case Place() | Update():
            record = PlacementRecord(
                uid=action.uid,
                hash=action.hash,
                goal=action.goal,
                epoch=action.epoch,
                restarted=action.restarted,
                stops=action.stops,
            )
            return Put(key, record.encode())
