"""What the resources work with: the picture of the cluster, and the ways to change it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from fleetpy.errors import UnavailableError, UserError
from fleetpy_api.decide import Author, Decision, Status, refusal
from fleetpy_api.errors import RefusedError
from fleetpy_api.wishes import Wish, WishReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from fleetpy.ids import MachineID, Revision
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Registry
    from fleetpy.schemas.fleetpy_v1 import BrakeRelease, Change, MachineChange
    from fleetpy_api.brake import BrakeWriter
    from fleetpy_api.metrics import Metrics
    from fleetpy_api.patches import MetadataPatch
    from fleetpy_api.picture import Picture
    from fleetpy_api.settings import SettingsWriter
    from fleetpy_api.writer import UnitWriter

FIRST_READ = 1.5
"""Seconds that a request waits for the first picture before it asks whether the registry is there at all."""
LONG_READ = 30.0
"""Seconds that it goes on waiting if the registry is there: a very large cluster takes a while to read."""


@dataclass(frozen=True, slots=True)
class Service:
    """One cluster's API, without HTTP. `clock` gives monotonic seconds, `now` the wall clock's time with its zone."""

    registry: Registry
    keys: Keys
    shown: Picture
    units: UnitWriter
    settings: SettingsWriter
    brake: BrakeWriter
    metrics: Metrics
    token_limit: int
    clock: Callable[[], float]
    now: Callable[[], datetime]

    async def picture(self) -> Picture:
        """The picture of the cluster, once there is one.

        Raises `UnavailableError` if the registry is away, or takes very long to be read for the first time.
        """
        try:
            async with asyncio.timeout(FIRST_READ):
                await self.shown.synced()
        except TimeoutError:
            await self._wait_for_long_read()
        return self.shown

    async def check_registry(self) -> None:
        """Ask the registry whether it is there; raises `UnavailableError` if it is not."""
        try:
            async with asyncio.timeout(FIRST_READ):
                with self.metrics.operation("get"):
                    await self.registry.get(self.keys.leader)
        except TimeoutError as error:
            raise UnavailableError(f"etcd has not answered in {FIRST_READ:g} s") from error

    async def _wait_for_long_read(self) -> None:
        try:
            await self.check_registry()
            async with asyncio.timeout(LONG_READ):
                await self.shown.synced()
        except UnavailableError as error:
            raise UnavailableError(f"fleet-api cannot read the cluster's state: {error}") from error
        except TimeoutError as error:
            raise UnavailableError(f"fleet-api has not read all of the cluster's state in {LONG_READ:g} s") from error

    async def change(self, change: Change, by: str) -> Decision:
        """Carry out one change; raises `UserError` or `UnavailableError` if it is not done."""
        await self.picture()
        wish = WishReader().read(change)
        (decision,), _ = await self.units.apply([wish], Author(by, self.now()))
        if decision.status is not Status.REFUSED:
            return decision
        if decision.code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise UnavailableError(decision.message)
        raise RefusedError(decision.code, decision.message)

    async def change_all(self, changes: Sequence[Change], by: str) -> tuple[list[Decision], Revision]:
        """Carry out changes, each by itself; raises `UnavailableError` if the registry took none of them."""
        await self.picture()
        reader = WishReader()
        decisions: dict[int, Decision] = {}
        wishes: dict[int, Wish] = {}
        for index, change in enumerate(changes):
            try:
                wishes[index] = reader.read(change)
            except UserError as error:
                decisions[index] = refusal(error)
        done, revision = await self.units.apply(wishes.values(), Author(by, self.now()))
        decisions.update(zip(wishes, done, strict=True))
        if done and all(decision.code == HTTPStatus.SERVICE_UNAVAILABLE for decision in done):
            raise UnavailableError(done[0].message)
        return [decisions[index] for index in range(len(changes))], revision

    async def patch_metadata(self, patches: Iterable[MetadataPatch]) -> None:
        """Change machines' metadata."""
        await self.picture()
        await self.settings.patch_metadata(patches)

    async def change_machine(self, machine: MachineID, change: MachineChange) -> None:
        """Cordon or drain a machine, or no longer; raises `RefusedError` (404) for one that nothing is known of."""
        picture = await self.picture()
        if not picture.knows_machine(machine):
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no machine {machine}; give its full id")
        await self.settings.change(machine, change)

    async def release_brake(self, release: BrakeRelease, by: str) -> None:
        """Release machines from the brake; raises `RefusedError` (409) if it does not hold one of them."""
        await self.picture()
        await self.brake.release(release.machines, Author(by, self.now()))
