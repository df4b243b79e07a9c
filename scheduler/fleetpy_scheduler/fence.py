"""What keeps a leader that no longer leads from writing.

Every write of a leader is guarded by "the leader key was last written at this revision". A successor writes the key
anew, so whatever its predecessor still has under way fails, however late it arrives.

The same guard settles a write whose answer never came. It may have been committed, be committed later, or never: as
long as that is open, planning again could place a unit twice. `Fence.renew` writes the leader key again; from then on
the open write can no longer be committed, and a view that has come as far shows whether it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.errors import LostRaceError
from fleetpy.registry.protocol import GuardFailedError, Put, UnchangedSince

if TYPE_CHECKING:
    from fleetpy.ids import Revision
    from fleetpy.registry.protocol import Entry, Registry


class DeposedError(LostRaceError):
    """Another scheduler leads, or nobody does: whatever this one had planned is void."""


class Fence:
    """The guard of one term of leadership."""

    def __init__(self, registry: Registry, leader: Entry) -> None:
        self._registry = registry
        self._leader = leader
        self._written: Revision = leader.mod_revision

    @property
    def guard(self) -> UnchangedSince:
        """What each transaction of the leader must carry."""
        return UnchangedSince(self._leader.key, self._written)

    async def renew(self) -> Revision:
        """Void every write that is still under way; the revision from which on none of them can happen.

        Raises `DeposedError` if the leader key is no longer ours, `UnavailableError` if the registry is away: then the
        fence is as it was, or has moved without our knowing, so a later `renew` reads it first.
        """
        again = Put(self._leader.key, self._leader.value, self._leader.lease)
        while True:
            present = await self._registry.get(self._leader.key)
            if present is None or present.create_revision != self._leader.create_revision:
                raise DeposedError("the leader key is no longer ours")
            guard = UnchangedSince(self._leader.key, present.mod_revision)
            try:
                self._written = await self._registry.commit([again], guards=[guard])
            except GuardFailedError:
                continue  # A successor's, or an earlier renewal of ours that was late.
            return self._written
