"""What keeps the machine's lease alive, as the rest of the agent sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn, Protocol

from fleetpy.errors import UnavailableError
from fleetpy.ids import NO_LEASE
from fleetpy.registry.protocol import LeaseGoneError

if TYPE_CHECKING:
    from fleetpy.ids import LeaseID
    from fleetpy.registry.protocol import Registry


class Heart(Protocol):
    """Renews one lease, come what may to the rest of the agent."""

    async def adopt(self, lease: LeaseID) -> bool:
        """Go on renewing a lease that an earlier agent left; False if it is gone. Raises `UnavailableError`."""
        ...

    async def grant(self) -> LeaseID:
        """Let go of any lease before, and renew a new one. Raises `UnavailableError`."""
        ...

    async def lost(self) -> None:
        """Wait until the lease is known to have expired."""
        ...

    async def revoke(self) -> None:
        """End the lease, and with it the registration, at once. Raises `UnavailableError`."""
        ...


class LoopHeart(Heart):
    """A heart in the loop of its agent: where time is virtual, and no loop is ever busy."""

    def __init__(self, registry: Registry, ttl: float) -> None:
        self._registry = registry
        self._ttl = ttl
        self._lease = NO_LEASE
        self._lost = asyncio.Event()

    async def adopt(self, lease: LeaseID) -> bool:
        """See `Heart.adopt`."""
        try:
            await self._registry.renew_lease(lease)
        except LeaseGoneError:
            return False
        self._hold(lease)
        return True

    async def grant(self) -> LeaseID:
        """See `Heart.grant`."""
        lease = await self._registry.grant_lease(self._ttl)
        self._hold(lease)
        return lease

    async def lost(self) -> None:
        """See `Heart.lost`."""
        await self._lost.wait()

    async def revoke(self) -> None:
        """See `Heart.revoke`."""
        lease, self._lease = self._lease, NO_LEASE
        await self._registry.revoke_lease(lease)

    async def run(self) -> NoReturn:
        """Renew the lease three times in its life."""
        while True:
            await asyncio.sleep(self._ttl / 3)
            if self._lease == NO_LEASE:
                continue
            try:
                await self._registry.renew_lease(self._lease)
            except LeaseGoneError:
                self._lease = NO_LEASE
                self._lost.set()
            except UnavailableError:
                continue

    def _hold(self, lease: LeaseID) -> None:
        self._lease = lease
        self._lost.clear()
