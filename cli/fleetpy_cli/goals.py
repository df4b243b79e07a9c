"""What a command waits for: whether a unit is there yet, judged from what the cluster knows of it. Pure functions.

A unit is launched as soon as its machine's systemd has the job to start it. How that went shows a moment later, so
that a unit that is neither up nor failed is `SETTLING` for a while; the original gave units two seconds for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from fleetpy.schemas.fleetpy_v1 import UnitStatus

if TYPE_CHECKING:
    from fleetpy.schemas.fleetpy_v1 import MachineUnitState


class Outcome(Enum):
    """How far a unit has come."""

    WAITS = auto()
    SETTLING = auto()
    """There, but it does not show yet how that goes; after a while that is good enough."""
    DONE = auto()
    BROKEN = auto()
    """There, and something is wrong with it."""
    LOST = auto()
    """It will not get there: somebody else wants something else of it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a unit has come, and what there is to say about it."""

    outcome: Outcome
    words: str = ""


Goal = Callable[[UnitStatus | None], Verdict]
"""Judges a unit, or that there is none."""

_UP = frozenset({"active", "reloading", "refreshing", "maintenance"})
"""systemd's active states of a unit that has started."""

_DOWN = frozenset({"", "inactive", "failed"})

_DONE = Verdict(Outcome.DONE)
_GONE = Verdict(Outcome.LOST, "somebody destroyed it meanwhile")


def launched(unit: UnitStatus | None) -> Verdict:
    """Started on its machine, with its present text and no restart outstanding."""
    if unit is None:
        return _GONE
    if unit.desiredState != "launched":
        return _taken_over(unit)
    state = present_state(unit)
    if unit.currentState != "launched" or state is None:
        return _waiting(unit)
    if state.active == "failed" or (state.active == "inactive" and state.problem):
        return Verdict(Outcome.BROKEN, f"{_failure(state)}; `fleetctl restart {unit.name}` starts it again")
    if state.sub == "auto-restart":
        return Verdict(
            Outcome.DONE, f"it ended ({state.result or 'auto-restart'}), and systemd starts it again and again"
        )
    return _DONE if state.active in _UP else Verdict(Outcome.SETTLING, _still(state))


def loaded(unit: UnitStatus | None) -> Verdict:
    """On a machine and in its systemd, with its present text, and not started."""
    if unit is None:
        return _GONE
    if unit.desiredState != "loaded":
        return _taken_over(unit)
    state = present_state(unit)
    if unit.currentState != "loaded" or state is None:
        return _waiting(unit)
    return Verdict(Outcome.BROKEN, state.problem) if state.problem else _DONE


def stopped(unit: UnitStatus | None) -> Verdict:
    """Loaded; or nowhere, if it could be placed nowhere in the first place."""
    if unit is not None and unit.desiredState == "loaded" and unit.pending and not unit.states:
        return _DONE
    return loaded(unit)


def inactive(unit: UnitStatus | None) -> Verdict:
    """On no machine, with nothing left of it on any."""
    if unit is None:
        return _GONE
    if unit.desiredState != "inactive":
        return _taken_over(unit)
    return _DONE if unit.currentState == "inactive" and not unit.states else _waiting(unit)


def gone(unit: UnitStatus | None) -> Verdict:
    """Not known to the cluster any more."""
    return _DONE if unit is None else _waiting(unit)


def is_on(unit: UnitStatus, machines: frozenset[str]) -> bool:
    """Whether the unit is placed on one of the machines, or anything of it is left there."""
    return unit.machineID in machines or any(state.machineID in machines for state in unit.states)


def off(machines: frozenset[str]) -> Goal:
    """On none of these machines; elsewhere, if there is an elsewhere."""

    def judge(unit: UnitStatus | None) -> Verdict:
        if unit is None:
            return _DONE
        if is_on(unit, machines):
            return _waiting(unit)
        return Verdict(Outcome.SETTLING, f"it waits: {unit.pending}") if unit.pending else _DONE

    return judge


def down_since(unit: UnitStatus | None) -> str | None:
    """Since when the unit is down where it is; empty if it never ran there; None if it is not down."""
    if unit is None:
        return ""
    for state in unit.states:
        if state.machineID == unit.machineID:
            return state.since if state.active in _DOWN else None
    return ""


def _taken_over(unit: UnitStatus) -> Verdict:
    return Verdict(Outcome.LOST, f"somebody asked for it to be {unit.desiredState} meanwhile")


def _waiting(unit: UnitStatus) -> Verdict:
    problems = [state.problem for state in unit.states if state.problem]
    return Verdict(Outcome.WAITS, unit.pending or "; ".join(problems))


def _failure(state: MachineUnitState) -> str:
    if state.problem and state.active != "failed":
        return state.problem
    return f"it failed ({state.result or state.sub or state.active})"


def _still(state: MachineUnitState) -> str:
    return "" if state.active in _DOWN else f"it is still {state.active}"


def present_state(unit: UnitStatus) -> MachineUnitState | None:
    """What its machine says of the unit, if that is about its present text and its last restart."""
    for state in unit.states:
        if state.machineID == unit.machineID and state.hash in ("", unit.hash) and state.restarted == unit.restarted:
            return state
    return None
