"""What the agent says of its units: a pure function from what it sees and did to the states it publishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpy.model.records import StateRecord
from fleetpy.model.states import UnitGoal
from fleetpy_agent.applied import STRAY
from fleetpy_agent.reconcile import refusals
from fleetpy_agent.systemd.protocol import NOWHERE, Verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fleetpy.ids import UnitName
    from fleetpy.model.records import PlacementRecord
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


def report(picture: Picture, findings: Findings) -> dict[UnitName, StateRecord]:
    """The state of every unit that is placed here, or of which anything may be left here."""
    refused = refusals(picture)
    states = {}
    for name in picture.wanted.keys() | picture.applied.keys():
        wanted, applied = picture.wanted.get(name), picture.applied.get(name)
        identity = applied if applied is not None and applied != STRAY else wanted or STRAY
        if name in refused:
            states[name] = _state(identity, refused=f"the host has a unit of its own of that name: {refused[name]}")
        elif applied is None:
            states[name] = _state(identity, problem=findings.problems.get(name))
        else:
            states[name] = _running_state(name, identity, applied, picture, findings)
    return states


def _running_state(
    name: UnitName,
    identity: AppliedRecord | PlacementRecord,
    applied: AppliedRecord,
    picture: Picture,
    findings: Findings,
) -> StateRecord:
    """The state of a unit that systemd may know: what is still under way is not yet carried out."""
    status, details = picture.units.get(name, NOWHERE), findings.details.get(name, NO_DETAILS)
    job = picture.jobs.get(name)
    stopping = job is Verb.STOP and applied.goal is UnitGoal.LOADED
    return _state(
        identity,
        goal=UnitGoal.LAUNCHED if stopping else applied.goal,
        restarted=None if job is Verb.RESTART else applied.restarted,
        load=status.load,
        active=status.active,
        sub=status.sub,
        result=details.result,
        since=details.since,
        problem=findings.problems.get(name),
    )


def _state(identity: AppliedRecord | PlacementRecord, **rest: object) -> StateRecord:
    return StateRecord.model_validate({"uid": identity.uid, "epoch": identity.epoch, "hash": identity.hash, **rest})
