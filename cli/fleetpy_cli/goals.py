"""What a command waits for: whether a unit is there yet, judged from what the cluster knows of it. Pure functions.

A start is done once systemd has carried it out, for better or worse: a unit that failed is `BROKEN`, one that ended
well (a oneshot) is not.
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
    DONE = auto()
    BROKEN = auto()
    """Done, and the unit failed in its systemd."""
    LOST = auto()
    """It will not get there: somebody else wants something else of it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a unit has come, and what there is to say about it."""

    outcome: Outcome
    words: str = ""


Goal = Callable[[UnitStatus | None], Verdict]
"""Judges a unit, or that there is none."""

_DONE = Verdict(Outcome.DONE)
_GONE = Verdict(Outcome.LOST, "somebody destroyed it meanwhile")


def launched(unit: UnitStatus | None) -> Verdict:
    """Started on its machine, with its present text and no restart outstanding."""
    if unit is None:
        return _GONE
    if unit.desiredState != "launched":
        return _taken_over(unit)
    state = _present_state(unit)
    if unit.currentState != "launched" or state is None:
        return _waiting(unit)
    if state.active == "failed":
        result = f", {state.result}" if state.result else ""
        words = f"it failed there ({state.sub or state.active}{result}); `fleetctl restart {unit.name}` starts it again"
        return Verdict(Outcome.BROKEN, words)
    if state.sub == "auto-restart":
        return Verdict(Outcome.DONE, "it ended there, and systemd starts it again and again")
    return _DONE


def loaded(unit: UnitStatus | None) -> Verdict:
    """On a machine and in its systemd, with its present text, and not started."""
    if unit is None:
        return _GONE
    if unit.desiredState != "loaded":
        return _taken_over(unit)
    return _DONE if unit.currentState == "loaded" and _present_state(unit) else _waiting(unit)


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


def _taken_over(unit: UnitStatus) -> Verdict:
    return Verdict(Outcome.LOST, f"somebody asked for it to be {unit.desiredState} meanwhile")


def _waiting(unit: UnitStatus) -> Verdict:
    problems = [state.problem for state in unit.states if state.problem]
    return Verdict(Outcome.WAITS, unit.pending or "; ".join(problems))


def _present_state(unit: UnitStatus) -> MachineUnitState | None:
    """What its machine says of the unit, if that is about its present text and its last restart."""
    for state in unit.states:
        if state.machineID == unit.machineID and state.hash in ("", unit.hash) and state.restarted == unit.restarted:
            return state
    return None
