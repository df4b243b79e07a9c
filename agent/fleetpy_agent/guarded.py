"""Units with `OnPartition=stop`, after `fleet-lease.service` has ended: which the host has stopped by itself.

Such a unit was launched and is no longer, through no doing of its own. It is noted as loaded only, so that it is
launched again as soon as the cluster counts on this machine, if it is still placed here. One that ended by itself is
left alone; that is noted while the guard is well, since afterwards the two cannot be told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy_agent.dropin import GUARD_SERVICE
from fleetpy_agent.systemd.protocol import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fleetpy.ids import UnitName
    from fleetpy_agent.applied import AppliedRecord
    from fleetpy_agent.systemd.protocol import UnitStatus

_ENDING = {"failed", "deactivating"}


def is_ending(units: Mapping[UnitName, UnitStatus]) -> bool:
    """Whether the guard has ended or is about to, for whatever reason."""
    return units.get(GUARD_SERVICE, NOWHERE).active in _ENDING


def changes(
    records: Mapping[UnitName, AppliedRecord],
    units: Mapping[UnitName, UnitStatus],
    busy: Collection[UnitName],
    *,
    lost: bool,
) -> dict[UnitName, AppliedRecord]:
    """The records that are to be different. `lost`: the guard has failed; `busy`: units with a job of ours."""
    found = {}
    for name, record in records.items():
        if not record.stops or record.ended or record.goal is not UnitGoal.LAUNCHED or name in busy:
            continue
        status = units.get(name, NOWHERE)
        if lost and (not status.up or status.active == "deactivating"):
            found[name] = record.replace(goal=UnitGoal.LOADED)
        elif not lost and not status.up:
            found[name] = record.replace(ended=True)
    return found
