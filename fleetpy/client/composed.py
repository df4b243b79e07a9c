"""A unit's status, put together from what the original's API says of it in two places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.schemas.fleetpy_v1 import MachineUnitState, UnitStatus
from fleetpy.unit.file import UnitFile, UnitOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.schemas.v1 import UnitEntity, UnitStateEntity

_TRUE = frozenset({"true", "yes", "1", "on", "t"})


def compose_status(unit: UnitEntity, states: Sequence[UnitStateEntity]) -> UnitStatus:
    """The unit's status; its goal on each machine is taken for its current state, since nothing else is said."""
    file = UnitFile(tuple(UnitOption(option.section, option.name, option.value) for option in unit.options))
    is_nowhere = unit.desiredState != "inactive" and not unit.machineID and not states
    is_global = _is_global(file)
    return UnitStatus(
        name=unit.name,
        uid=0,
        hash=file.hash,
        desiredState=unit.desiredState,
        currentState=unit.currentState,
        isGlobal=is_global,
        machineID=unit.machineID,
        description=file.description,
        pending="not on a machine yet" if is_nowhere and not is_global else "",
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


def _is_global(file: UnitFile) -> bool:
    """Whether it runs everywhere, by the original's rule: it holds units that fleetpy would refuse."""
    said = [option.value for option in file.options if (option.section, option.name) == ("X-Fleet", "Global")]
    return bool(said) and said[-1].lower() in _TRUE
