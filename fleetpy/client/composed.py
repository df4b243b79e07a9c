"""A unit's status, put together from what the original's API says of it in two places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.errors import UserError
from fleetpy.schemas.fleetpy_v1 import MachineUnitState, UnitStatus
from fleetpy.unit.file import UnitFile, UnitOption
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import read_requirements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.schemas.v1 import UnitEntity, UnitStateEntity


def compose_status(unit: UnitEntity, states: Sequence[UnitStateEntity]) -> UnitStatus:
    """The unit's status; its goal on each machine is taken for its current state, since nothing else is said."""
    file = UnitFile(tuple(UnitOption(option.section, option.name, option.value) for option in unit.options))
    is_nowhere = unit.desiredState != "inactive" and not unit.machineID and not states
    is_global = _is_global(unit.name, file)
    return UnitStatus(
        name=unit.name,
        uid=0,
        hash=file.hash,
        desiredState=unit.desiredState,
        currentState=unit.currentState,
        isGlobal=is_global,
        machineID=unit.machineID,
        description=file.description,
        pending="it is on no machine yet" if is_nowhere and not is_global else "",
        states=[
            MachineUnitState(
                machineID=state.machineID,
                hash=state.hash,
                goal=unit.currentState,
                load=state.systemdLoadState,
                active=state.systemdActiveState,
                sub=state.systemdSubState,
            )
            for state in states
        ],
    )


def _is_global(name: str, file: UnitFile) -> bool:
    """Whether it runs everywhere. An original fleetd may hold units that fleetpy would refuse: those do not."""
    try:
        return read_requirements(parse_unit_name(name), file).is_global
    except UserError:
        return False
