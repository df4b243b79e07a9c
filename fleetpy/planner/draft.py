"""A plan in the making: what has been decided so far, and the picture of the cluster as it then is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.ids import Epoch
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Place, Unplace, Update

if TYPE_CHECKING:
    from fleetpy.ids import MachineID, Revision, UnitHash, UnitName
    from fleetpy.planner.actions import Action
    from fleetpy.planner.index import Index
    from fleetpy.planner.snapshot import Placement, Unit


class Draft:
    """Keeps actions and picture in step."""

    def __init__(self, index: Index, revision: Revision) -> None:
        self.occupancy = index.occupancy
        self.order = index.order
        self._epoch = Epoch(revision)
        self.actions: list[Action] = []

    def place(self, machine: MachineID, unit: Unit, reason: str) -> None:
        """Give the unit to the machine."""
        self._place(machine, unit, unit.hash, reason)

    def take_over(self, machine: MachineID, unit: Unit, reason: str) -> None:
        """Give the unit to the machine where it runs, with the text that it runs with."""
        self._place(machine, unit, self.occupancy.reported_hash(machine, unit.name) or unit.hash, reason)

    def _place(self, machine: MachineID, unit: Unit, text: UnitHash, reason: str) -> None:
        self.occupancy.settle(machine, unit.name)
        self.actions.append(
            Place(
                machine,
                unit.name,
                unit.uid,
                text,
                unit.goal,
                self._epoch,
                unit.restarted,
                reason,
                self.occupancy.may_stop(machine, unit),
            )
        )

    def update(self, placement: Placement, unit: Unit, reason: str) -> None:
        """Let the machine that has the unit know what is new about it."""
        self.actions.append(
            Update(
                placement.machine,
                unit.name,
                unit.uid,
                unit.hash,
                unit.goal,
                placement.epoch,
                unit.restarted,
                reason,
                self.occupancy.may_stop(placement.machine, unit),
            )
        )

    def withdraw(self, machine: MachineID, name: UnitName, reason: str, *, lost: bool = False) -> None:
        """Take from the machine, live or lost, a placement that is no home of a wanted unit.

        A unit with `OnPartition=stop` stays placed, as inactive, until its machine has let go of it: if the machine is
        lost before that, the placement is what tells that it may still be stopping the unit. So does one that its
        machine says is adrift: an agent that sees a placement come and go at once has seen nothing, and lets it run on.
        """
        placement = self.occupancy.placement(machine, name)
        if lost or not (placement.stops or self.occupancy.is_adrift(machine, name)):
            self.actions.append(Unplace(machine, name, reason, lost))
        elif placement.goal is not UnitGoal.INACTIVE:
            self.actions.append(_inactive(placement, reason))
        elif not self.occupancy.is_reported(machine, name):
            self.actions.append(Unplace(machine, name, "the machine has let go of it"))

    def leave(self, machine: MachineID, name: UnitName, reason: str) -> None:
        """Take a unit from a machine that was its home, and with it whoever is there because of it.

        Of what is only now taken over nothing can be taken yet: it is placed first, and leaves in the next plan.
        """
        waiting = [(name, reason)]
        while waiting:
            name, reason = waiting.pop()
            if not self.occupancy.has(machine, name) or not self.occupancy.is_placed(machine, name):
                continue
            self.occupancy.leave(machine, name)
            self.withdraw(machine, name, reason)
            waiting += ((follower, f"it follows {name}, which leaves") for follower in self.order.followers(name))


def _inactive(placement: Placement, reason: str) -> Update:
    return Update(
        placement.machine,
        placement.name,
        placement.uid,
        placement.hash,
        UnitGoal.INACTIVE,
        placement.epoch,
        placement.restarted,
        reason,
        placement.stops,
    )
