"""What keeps a leader that no longer leads from writing.

Every write of a leader is guarded by "the leader key has this very value". A successor writes another one, so whatever
its predecessor still has under way fails, however late it arrives, and also in a store that was set back: there the key
may have any revision by chance, but no value that was drawn for another writing.

The same guard settles a write whose answer never came. It may have been committed, be committed later, or never: as
long as that is open, planning again could place a unit twice. `Fence.renew` writes the leader key again; from then on
the open write can no longer be committed, and a view that has come as far shows whether it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.errors import LostRaceError
from fleetpy.model.records import LeaderRecord
from fleetpy.registry.election import new_value
from fleetpy.registry.protocol import GuardFailedError, Put, UnchangedSince, ValueIs

if TYPE_CHECKING:
    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Entry, Registry


class DeposedError(LostRaceError):
    """Another scheduler leads, or nobody does: whatever this one had planned is void."""


class Fence:
    """The guard of one term of leadership; `leader` is the key as it was written when the term began."""

    def __init__(self, registry: Registry, leader: Entry) -> None:
        self._registry = registry
        self._leader = leader
        self._value = leader.value

    @property
    def guard(self) -> ValueIs:
        """What each transaction of the leader must carry."""
        return ValueIs(self._leader.key, self._value)

    async def renew(self) -> Revision:
        """Void every write that is still under way; the revision from which on none of them can happen.

        Raises `DeposedError` if the leader key is no longer ours, `UnavailableError` if the registry is away: then the
        fence is as it was, or has moved without our knowing, so a later `renew` reads it first.
        """
        value = new_value(LeaderRecord.decode(self._leader.value))
        again = Put(self._leader.key, value, self._leader.lease)
        while True:
            present = await self._registry.get(self._leader.key)
            if present is None or not present.continues(self._leader):
                raise DeposedError("the leader key is no longer ours")
            try:
                revision = await self._registry.commit(
                    [again], guards=[UnchangedSince(present.key, present.mod_revision)]
                )
            except GuardFailedError:
                continue  # A successor's, or an earlier renewal of ours that was late.
            self._value = value
            return revision
