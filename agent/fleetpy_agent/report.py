"""What the agent says of its units: a pure function from what it sees and did to the states it publishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from fleetpy.model.records import StateRecord
from fleetpy.model.states import UnitGoal
from fleetpy_agent.applied import STRAY
from fleetpy_agent.reconcile import refusals
from fleetpy_agent.systemd.protocol import NOWHERE, Verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fleetpy.ids import Epoch, UnitHash, UnitName, UnitUID
    from fleetpy_agent.applied import AppliedRecord
    from fleetpy_agent.reconcile import Picture


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of a unit beyond its status."""

    since: datetime | None = None
    result: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What goes into states beside the picture."""

    details: Mapping[UnitName, Details] = field(default_factory=dict)
    problems: Mapping[UnitName, str] = field(default_factory=dict)


NO_DETAILS = Details()

_ADRIFT = "the registry was set back to before it was placed here; start it again, and it is taken over as it runs"


def report(picture: Picture, findings: Findings) -> dict[UnitName, StateRecord]:
    """The state of every unit that is placed here, or of which anything may be left here."""
    refused = refusals(picture)
    states = {}
    for name in picture.wanted.keys() | picture.applied.keys():
        wanted, applied = picture.wanted.get(name), picture.applied.get(name)
        identity = applied if applied is not None and applied != STRAY else wanted or STRAY
        problem = findings.problems.get(name)
        if name in refused:
            told = _Told(refused=f"the host has a unit of its own of that name: {refused[name]}")
        elif applied is None:
            told = _Told(problem=problem)
        else:
            told = _tell(name, applied, picture, findings.details.get(name, NO_DETAILS), problem)
        states[name] = _state(identity.uid, identity.epoch, identity.hash, told)
    return states


class _Told(NamedTuple):
    """What a state says beside what it is of."""

    goal: UnitGoal = UnitGoal.INACTIVE
    restarted: str | None = None
    load: str = ""
    active: str = ""
    sub: str = ""
    result: str = ""
    since: datetime | None = None
    refused: str | None = None
    problem: str | None = None
    adrift: bool | None = None


def _tell(name: UnitName, applied: AppliedRecord, picture: Picture, details: Details, problem: str | None) -> _Told:
    """Of a unit that systemd may know: what is still under way is not yet carried out."""
    status, job = picture.units.get(name, NOWHERE), picture.jobs.get(name)
    if status == NOWHERE and applied.goal is UnitGoal.INACTIVE and not applied.adrift:
        return _Told(problem=problem)  # Its files are on their way; that systemd has none yet goes without saying.
    stopping = job is Verb.STOP and applied.goal is UnitGoal.LOADED
    return _Told(
        goal=UnitGoal.LAUNCHED if stopping else applied.goal,
        restarted=None if job is Verb.RESTART else applied.restarted,
        load=status.load,
        active=status.active,
        sub=status.sub,
        result=details.result,
        since=details.since,
        problem=_ADRIFT if applied.adrift else problem,
        adrift=applied.adrift or None,
    )


@lru_cache(maxsize=8192)
def _state(uid: UnitUID, epoch: Epoch, unit_hash: UnitHash, told: _Told) -> StateRecord:
    """The same record for the same facts: most units have not changed since the report before."""
    return StateRecord(uid=uid, epoch=epoch, hash=unit_hash, **told._asdict())
