"""Writes which machines operators release from the brake on mass failure."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from fleetpy.errors import UnavailableError
from fleetpy.ids import MachineID
from fleetpy.model.records import BrakeReleaseRecord
from fleetpy.registry.protocol import Absent, GuardFailedError, Put, UnchangedSince
from fleetpy_api.catch_up import Revised, catch_up
from fleetpy_api.committer import Committer, deadline
from fleetpy_api.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy.registry.decoding import StoredRelease
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Registry
    from fleetpy.schemas.fleetpy_v1 import Brake
    from fleetpy_api.decide import Author
    from fleetpy_api.metrics import Metrics

MAX_ATTEMPTS = 6


class BrakePicture(Revised, Protocol):
    """The brake, as far as it is known here."""

    def brake(self) -> Brake:
        """How it is."""
        ...

    def release(self) -> StoredRelease | None:
        """The machines that were released from it."""
        ...


class BrakeWriter:
    """Releases machines, deciding again where somebody else was faster."""

    def __init__(self, registry: Registry, keys: Keys, picture: BrakePicture, metrics: Metrics) -> None:
        self._committer = Committer(registry, keys, picture)
        self._key = keys.brake_release
        self._picture = picture
        self._metrics = metrics

    async def release(self, machines: Iterable[str], author: Author) -> None:
        """Release the machines; raises `RefusedError` (409) unless the brake holds all of them."""
        wanted = {MachineID(machine) for machine in machines}
        until = deadline()
        for _ in range(MAX_ATTEMPTS):
            self._check(wanted)
            before = self._picture.release()
            record = BrakeReleaseRecord(
                machines=sorted(wanted.union(before.record.machines if before is not None else ())),
                released_at=author.at,
                released_by=author.name,
            )
            guard = UnchangedSince(self._key, before.mod_revision) if before is not None else Absent(self._key)
            try:
                with self._metrics.operation("set"):
                    revision = await self._committer.commit([Put(self._key, record.encode())], [guard], until)
            except GuardFailedError as error:
                if not await catch_up(self._picture, error.revision):
                    break
            else:
                await catch_up(self._picture, revision)
                return
        raise UnavailableError("the brake is being released by others too; try again")

    def _check(self, wanted: set[MachineID]) -> None:
        if not wanted:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "name the machines to be released, by their full ids")
        held = {held.machineID for held in self._picture.brake().machines}
        if strangers := sorted(wanted - held):
            state = f"holds {', '.join(sorted(held))}" if held else "is off"
            raise RefusedError(
                HTTPStatus.CONFLICT, f"the brake does not hold {', '.join(strangers)}: it {state}. Look again"
            )
