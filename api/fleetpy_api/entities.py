"""From the cluster's tables to the entities of both APIs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.schemas.fleetpy_v1 import MachineStatus, MachineUnitState, UnitStatus
from fleetpy.schemas.v1 import UnitEntity, UnitOptionEntity, UnitStateEntity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.model.cluster import Machine, Placement
    from fleetpy.registry.decoding import StoredMachine, StoredState, StoredUnit
    from fleetpy.unit.file import UnitFile

_REMEMBERED_FILES = 256


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What the tables have of a unit at one moment; entities are made of it when they are sent."""

    unit: StoredUnit
    file: UnitFile | None
    """None if it is missing or cannot be read: the unit then has no options to show."""
    is_global: bool
    home: Placement | None
    """Where the unit is, or is to be; None for a global one, which has no one place."""
    states: Sequence[StoredState]
    """What machines report of this very unit (`uid`), by machine."""
    waits: bool
    """Whether it is to be on a machine that lives, and is on none."""

    @property
    def machine(self) -> str:
        """The id of the machine that has the unit, or nothing."""
        return self.home.machine if self.home else ""

    @property
    def current(self) -> str:
        """What the unit's agent has made of it; empty for a global unit, as in the original's answers."""
        if self.is_global:
            return ""
        if self.home is not None:
            for state in self.states:
                if state.machine == self.home.machine and state.report.epoch == self.home.epoch:
                    return state.goal
        return UnitGoal.INACTIVE

    def entity(self) -> UnitEntity:
        """The unit as the original's API has it."""
        options = _options(self.file) if self.file else []
        return UnitEntity(self.unit.name, options, self.unit.desired, self.current, self.machine)

    def status(self, pending: str = "") -> UnitStatus:
        """The unit as fleetpy's own API has it; `pending` says why it waits, if it does."""
        return UnitStatus(
            name=self.unit.name,
            uid=self.unit.uid,
            hash=self.unit.hash,
            desiredState=self.unit.desired,
            currentState=self.current,
            isGlobal=self.is_global,
            machineID=self.machine,
            description=self.file.description if self.file else "",
            pending=pending,
            restarted=self.unit.restarted or "",
            states=[_machine_unit_state(state) for state in self.states],
        )


def state_entity(state: StoredState) -> UnitStateEntity:
    """What systemd says of a unit, as the original's API has it."""
    return UnitStateEntity(
        name=state.name,
        hash=state.report.hash or "",
        machineID=state.machine,
        systemdLoadState=state.load,
        systemdActiveState=state.active,
        systemdSubState=state.sub,
    )


def machine_status(stored: StoredMachine, planned: Machine, units: int) -> MachineStatus:
    """A live machine, with what its operator set on top of what its agent says."""
    record = stored.record
    return MachineStatus(
        id=stored.id,
        primaryIP=record.public_ip if record else "",
        hostname=record.hostname if record else "",
        metadata=dict(planned.metadata),
        version=record.version if record else "",
        cordoned=planned.cordoned,
        draining=planned.draining,
        units=units,
    )


def _machine_unit_state(state: StoredState) -> MachineUnitState:
    return MachineUnitState(
        machineID=state.machine,
        hash=state.report.hash or "",
        goal=state.goal,
        load=state.load,
        active=state.active,
        sub=state.sub,
        result=state.result,
        restarted=state.restarted or "",
        since=state.since.isoformat() if state.since else "",
        problem=state.report.refused or state.problem or "",
    )


@lru_cache(maxsize=_REMEMBERED_FILES)
def _options(file: UnitFile) -> list[UnitOptionEntity]:
    """Instances of a template share their file, and mostly follow each other in a list."""
    return [UnitOptionEntity(option.section, option.name, option.value) for option in file.options]
