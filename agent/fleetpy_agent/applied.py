"""What the agent has done with each unit, kept on the host so that the next agent takes over without touching any."""

from __future__ import annotations

from typing import Self

from fleetpy.ids import Epoch, UnitHash, UnitUID
from fleetpy.model.records import PlacementRecord, Record
from fleetpy.model.states import UnitGoal


class AppliedRecord(Record, frozen=True, kw_only=True):
    """One unit: which placement of it was applied, and how far.

    Written before the agent first touches systemd for the unit and removed when systemd has let go of it. It lives in
    /run, so that a host that was booted again starts its units anew.
    """

    uid: UnitUID
    epoch: Epoch
    hash: UnitHash
    goal: UnitGoal = UnitGoal.INACTIVE
    """`inactive`: its files are being written. `loaded`: systemd has it. `launched`: systemd was told to start it."""
    restarted: str | None = None
    """The last restart stamp that was carried out."""
    stops: bool = False
    """It is bound to the guard of the lease (`OnPartition=stop`)."""
    ended: bool = False
    """Of one that is: it has ended by itself since it was launched."""
    adrift: bool = False
    """The registry was set back to a state that does not know this placement: nobody has taken it away."""

    def is_of(self, placement: PlacementRecord) -> bool:
        """Whether this very placement was applied, whatever has changed in it since."""
        return self.uid == placement.uid and self.epoch == placement.epoch

    def outlived(self, placement: PlacementRecord) -> bool:
        """Whether it runs on from before the registry was set back, and is the very thing that is placed here now.

        Epochs grow, so an older one than what was applied is from a registry that was set back.
        """
        back = self.adrift or placement.epoch < self.epoch
        return back and self.hash == placement.hash and self.goal is not UnitGoal.INACTIVE

    def taken_over(self, placement: PlacementRecord) -> Self:
        """The record when it counts as the placement that it has outlived."""
        return self.replace(uid=placement.uid, epoch=placement.epoch, restarted=placement.restarted, adrift=False)


STRAY = AppliedRecord(uid=UnitUID(0), epoch=Epoch(0), hash=UnitHash(""), goal=UnitGoal.LAUNCHED)
"""Stands for a unit file of ours that nothing is known of: of no placement, and perhaps running."""
