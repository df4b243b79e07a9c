"""A batch of tasks while it is carried out: those that are left in it, and in words what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_agent.reconcile import NO_UNIT, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.ids import UnitName
    from fleetpy_agent.reconcile import Task

_NAMED = 5
"""Units that a summary names; the others are counted."""


class Batch:
    """Tasks by kind; a unit that something goes wrong with is dropped from all of them."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = list(tasks)

    def has(self, kind: Kind) -> bool:
        """Whether a task of this kind is left."""
        return any(task.kind is kind for task in self._tasks)

    def names(self, kind: Kind) -> list[UnitName]:
        """The units that a task of this kind is left for, in order."""
        return [task.name for task in self._tasks if task.kind is kind]

    def drop(self, name: UnitName) -> None:
        """Leave the unit alone from here on."""
        self._tasks = [task for task in self._tasks if task.name != name]
        if not any(task.kind in {Kind.UNLOAD, Kind.WRITE} for task in self._tasks):
            self._tasks = [task for task in self._tasks if task.kind is not Kind.RELOAD]

    def summary(self) -> str:
        """What is left, as a sentence; empty for nothing."""
        kinds: dict[UnitName, list[str]] = {}
        reasons: dict[UnitName, str] = {}
        for task in self._tasks:
            if task.name != NO_UNIT:
                kinds.setdefault(task.name, []).append(task.kind.name.lower())
                reasons.setdefault(task.name, task.reason)
        groups: dict[tuple[str, str], list[UnitName]] = {}
        for name in sorted(kinds):
            groups.setdefault((", ".join(kinds[name]), reasons[name]), []).append(name)
        return "; ".join(f"{did} {_enumerate(names)}: {reason}" for (did, reason), names in groups.items())


def _enumerate(names: list[UnitName]) -> str:
    named = ", ".join(names[:_NAMED])
    return named if len(names) <= _NAMED else f"{named} and {len(names) - _NAMED} more"
