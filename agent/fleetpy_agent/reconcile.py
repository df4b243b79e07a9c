"""What to do so that the host's systemd matches the placements: a pure function from what is seen to tasks.

It is level-triggered: it looks at what is wanted, what was done, and what systemd shows, never at what happened, so
it does not matter which events were missed. Run again after its tasks were carried out, it finds nothing to do.

| wanted | done | tasks |
| --- | --- | --- |
| no placement | something | stop, unload |
| a placement | nothing | write, load, start |
| another placement of the name, or another text | an older one | stop, unload, write, load, start |
| launched | loaded | start |
| loaded | launched | stop |
| launched, with a new restart stamp | launched | restart |
| no placement, since the registry was set back | running | none, as long as it runs |
| an older placement, since the registry was set back | the same text | none: it is taken over |

A unit that was started once is not started again: whether it runs, ends or fails from then on is systemd's business.
Tasks are carried out kind by kind, so that a batch has one reload, and everything is loaded before anything starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from fleetpy.ids import UnitName
from fleetpy.model.states import UnitGoal
from fleetpy_agent.systemd.protocol import NOT_FOUND, NOWHERE, UnitStatus, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fleetpy.model.records import PlacementRecord
    from fleetpy_agent.applied import AppliedRecord


class Kind(IntEnum):
    """What a task does, in the order in which the tasks of a batch are carried out."""

    STOP = 1
    """Stop it, and wait for that before it is unloaded."""
    UNLOAD = 2
    """Unlink and disable it, remove its files."""
    WRITE = 3
    """Write its files, link and enable them."""
    RELOAD = 4
    """Have systemd read all unit files again; of no single unit."""
    LOAD = 5
    """Have systemd load it."""
    START = 6
    RESTART = 7
    NOTE = 8
    """Note what the placement says, where nothing needs doing for it: a restart stamp of a unit that is not to run, or
    all of it when the registry was set back and the unit is as it is to be."""


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """One thing to do, and why."""

    kind: Kind
    name: UnitName
    reason: str


NO_UNIT = UnitName("")
"""The name in a task that is of no single unit."""


@dataclass(frozen=True, slots=True)
class Picture:
    """All that the decision is made from.

    `wanted` is what was read from the registry, never a failed read; a placement that is there but cannot be read is
    in `unreadable`, and its unit is left as it is. `held_back` are units whose last task went wrong: they are left
    alone for a while.
    """

    wanted: Mapping[UnitName, PlacementRecord]
    applied: Mapping[UnitName, AppliedRecord]
    units: Mapping[UnitName, UnitStatus]
    jobs: Mapping[UnitName, Verb] = field(default_factory=dict)
    """Jobs that the agent has asked for and that have not ended."""
    collisions: Mapping[UnitName, str] = field(default_factory=dict)
    """Names that the host has a unit of its own for, with its path."""
    unreadable: frozenset[UnitName] = frozenset()
    held_back: frozenset[UnitName] = frozenset()
    registered: bool = True
    """Whether the cluster surely counts on this machine; if not, only what is no longer placed here is cleared away."""

    def is_up(self, name: UnitName) -> bool:
        """Whether something of the unit runs, or may do so soon."""
        return self.units.get(name, NOWHERE).up or self.jobs.get(name) in {Verb.START, Verb.RESTART}


def reconcile(picture: Picture) -> tuple[Task, ...]:
    """The tasks, in the order in which to carry them out."""
    names = (picture.wanted.keys() | picture.applied.keys()) - picture.unreadable - picture.held_back
    tasks = [task for name in names for task in _tasks(name, picture)]
    if any(_needs_reload(task, picture) for task in tasks):
        tasks.append(Task(Kind.RELOAD, NO_UNIT, "unit files that systemd has read are different now"))
    return tuple(sorted(tasks))


def refusals(picture: Picture) -> dict[UnitName, str]:
    """The units that this host will not have, each with the path of its own unit of that name."""
    return {
        name: path
        for name, path in picture.collisions.items()
        if name in picture.wanted and name not in picture.applied
    }


def _tasks(name: UnitName, picture: Picture) -> Iterator[Task]:
    wanted, applied = picture.wanted.get(name), picture.applied.get(name)
    if applied is None:
        if wanted is not None and picture.registered and name not in picture.collisions:
            yield from _apply(name, wanted, "it was placed here")
    elif name in picture.collisions:
        # The host took the name over: whatever runs under it is no longer known to be ours.
        yield Task(Kind.UNLOAD, name, f"the host has its own in {picture.collisions[name]}")
    elif wanted is None:
        if not (applied.adrift and picture.is_up(name)):
            yield from _clear(name, picture, "it is no longer placed here")
    elif applied.adrift or not applied.is_of(wanted):
        yield from _turn_to(name, wanted, applied, picture)
    elif not picture.registered:
        return
    elif applied.hash != wanted.hash:
        yield from _replace(name, wanted, picture, "its unit file has changed")
    elif applied.goal is UnitGoal.INACTIVE:
        yield from _apply(name, wanted, "it was placed here, and not loaded yet")
    else:
        yield from _maintain(name, wanted, applied, picture)


def _clear(name: UnitName, picture: Picture, reason: str) -> Iterator[Task]:
    """Stop and unload; while it is being stopped, nothing."""
    if picture.jobs.get(name) is Verb.STOP:
        return
    if picture.is_up(name):
        yield Task(Kind.STOP, name, reason)
    yield Task(Kind.UNLOAD, name, reason)


def _apply(name: UnitName, wanted: PlacementRecord, reason: str) -> Iterator[Task]:
    yield Task(Kind.WRITE, name, reason)
    yield Task(Kind.LOAD, name, reason)
    if wanted.goal is UnitGoal.LAUNCHED:
        yield Task(Kind.START, name, reason)


def _replace(name: UnitName, wanted: PlacementRecord, picture: Picture, reason: str) -> Iterator[Task]:
    cleared = tuple(_clear(name, picture, reason))
    yield from cleared
    if cleared and picture.registered:
        yield from _apply(name, wanted, reason)


def _turn_to(name: UnitName, wanted: PlacementRecord, applied: AppliedRecord, picture: Picture) -> Iterator[Task]:
    """Another placement is there than the one that was applied."""
    if not applied.outlived(wanted):
        yield from _replace(name, wanted, picture, "it was placed here anew")
        return
    yield Task(Kind.NOTE, name, "it runs since before the registry was set back")
    if picture.registered:
        yield from _maintain(name, wanted, applied.taken_over(wanted), picture)


def _maintain(name: UnitName, wanted: PlacementRecord, applied: AppliedRecord, picture: Picture) -> Iterator[Task]:
    """The right text is in place: see to its being loaded, started, stopped or restarted."""
    job = picture.jobs.get(name)
    if picture.units.get(name, NOWHERE).load == NOT_FOUND and job is None:
        yield Task(Kind.WRITE, name, "systemd no longer finds it")
        yield Task(Kind.LOAD, name, "systemd no longer finds it")
    goal = _goal_under_way(applied, job)
    fresh_stamp = is_newer(wanted.restarted, applied.restarted)
    if wanted.goal is UnitGoal.LAUNCHED:
        if goal is not UnitGoal.LAUNCHED:
            yield Task(Kind.START, name, "it is to be launched")
        elif fresh_stamp and job is not Verb.RESTART:
            yield Task(Kind.RESTART, name, f"a restart was asked for at {wanted.restarted}")
        return
    if goal is not UnitGoal.LOADED:
        yield Task(Kind.STOP, name, "it is to be loaded only")
    if fresh_stamp:
        yield Task(Kind.NOTE, name, "a restart was asked for, but it is not launched")


def is_newer(stamp: str | None, than: str | None) -> bool:
    """Whether a restart was asked for since: a unit's stamps grow, save where the registry was set back."""
    return stamp is not None and (than is None or stamp > than)


def _goal_under_way(applied: AppliedRecord, job: Verb | None) -> UnitGoal:
    """What the unit will be when its job has ended."""
    if job is None:
        return applied.goal
    return UnitGoal.LOADED if job is Verb.STOP else UnitGoal.LAUNCHED


def _needs_reload(task: Task, picture: Picture) -> bool:
    """A file that systemd has never read it finds by itself; one that it has read it keeps until it reloads."""
    if task.kind is Kind.UNLOAD:
        return True
    return task.kind is Kind.WRITE and picture.units.get(task.name, NOWHERE).load != NOT_FOUND
