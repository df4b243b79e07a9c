"""What a plan consists of: each action changes one placement, and says in words why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.ids import Epoch, MachineID, UnitHash, UnitName, UnitUID


@dataclass(frozen=True, slots=True)
class Unplace:
    """The machine, live or lost, is no longer to have the unit."""

    machine: MachineID
    name: UnitName
    reason: str
    lost: bool = False
    """The machine is lost; should it be back by then, it is to be decided anew."""

    def __str__(self) -> str:
        return f"takes {self.name} from {self.machine}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Update:
    """The machine keeps the unit, with another text, goal or restart stamp; the epoch is the placement's own.

    With the goal `inactive` it is to let go of the unit, and the placement stays until it has.
    """

    machine: MachineID
    name: UnitName
    uid: UnitUID
    hash: UnitHash
    goal: UnitGoal
    epoch: Epoch
    restarted: str | None
    reason: str
    stops: bool = False
    """The unit has `OnPartition=stop`."""

    def __str__(self) -> str:
        verb = "updates" if self.goal is not UnitGoal.INACTIVE else "stops"
        return f"{verb} {self.name} on {self.machine}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Place:
    """The machine is to have the unit from now on."""

    machine: MachineID
    name: UnitName
    uid: UnitUID
    hash: UnitHash
    goal: UnitGoal
    epoch: Epoch
    restarted: str | None
    reason: str
    stops: bool = False
    """The unit has `OnPartition=stop`."""

    def __str__(self) -> str:
        return f"gives {self.name} to {self.machine}: {self.reason}"


Action = Unplace | Update | Place

_RANKS: dict[type[Action], int] = {Unplace: 0, Update: 1, Place: 2}


def in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    """What is taken away first, then updates, then what is given; each by machine and name.

    A writer that stops half-way then leaves units placed nowhere, never in two places, and a unit that makes way for
    another is stopped in the same batch, or an earlier one, as the other is started.
    """
    return tuple(sorted(actions, key=lambda action: (_RANKS[type(action)], action.machine, action.name)))
