"""Which live machines have fallen silent: asked when others are lost, so that a mass failure is seen at its beginning.

Machines that vanish together were heard last within one heartbeat's interval of each other, so their leases end one
after another over as long. Without a look at the leases that are left, the brake on mass failure would see a few
machines die, have their units moved to others that are dying too, and only then find that most of the cluster is gone.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from fleetpy.errors import UnavailableError
from fleetpy.registry.protocol import LeaseTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetpy.ids import MachineID
    from fleetpy.planner.settings import PlanSettings
    from fleetpy.registry.decoding import StoredMachine
    from fleetpy.registry.protocol import Registry

AT_ONCE = 64
"""Leases asked for at the same time."""
LOOK_AGAIN = 1.0
"""Seconds after which machines that were silent are looked at again: they may have been heard since."""
_WELL = 0.5
"""The part of its time that a lease has left at least while its agent renews it, which it does every third of it."""


class Silences:
    """What one leader has noticed."""

    def __init__(self, registry: Registry, settings: PlanSettings) -> None:
        self._registry = registry
        self._settings = settings
        self._silent: frozenset[MachineID] = frozenset()

    async def update(
        self, lost_at: Mapping[MachineID, float], live: Mapping[MachineID, StoredMachine], now: float
    ) -> frozenset[MachineID]:
        """The live machines whose leases will end soon unless they are heard; raises `UnavailableError`.

        Leases are asked for when a machine was lost just now, and as long as others are silent; and only until so many
        are found well that it can be no mass failure.
        """
        total = len(lost_at) + len(live)
        is_news = any(at == now for at in lost_at.values())
        if total < self._settings.mass_loss_machines or not (is_news or self._silent):
            self._silent = frozenset()
            return self._silent
        enough = (1 - self._settings.mass_loss_fraction) * total
        silent: set[MachineID] = set()
        well = 0
        # As they are now: while some are asked for, others may go.
        waiting = iter([live[machine] for machine in sorted(live)])
        while well < enough and (some := list(islice(waiting, AT_ONCE))):
            found = await self._silent_of([machine for machine in some if machine.lease])
            well += len(some) - len(found)
            silent |= found
        self._silent = frozenset(silent)
        return self._silent

    async def _silent_of(self, machines: Sequence[StoredMachine]) -> set[MachineID]:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._time_of(machine)) for machine in machines]
        times = [task.result() for task in asked]
        failure = next((time for time in times if isinstance(time, UnavailableError)), None)
        if failure is not None:
            raise failure
        return {machine.id for machine, time in zip(machines, times, strict=True) if _is_silent(time)}

    async def _time_of(self, machine: StoredMachine) -> LeaseTime | UnavailableError | None:
        try:
            return await self._registry.lease_time(machine.lease)
        except UnavailableError as error:
            return error


def _is_silent(time: LeaseTime | UnavailableError | None) -> bool:
    return not isinstance(time, LeaseTime) or time.left < _WELL * time.granted
