"""Writes what operators set for machines: all of a request, or nothing."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from fleetpy.errors import UnavailableError
from fleetpy.model.limits import MAX_METADATA_PAIRS
from fleetpy.model.records import MachineSettingsRecord
from fleetpy.registry.protocol import (
    Absent,
    GuardFailedError,
    Put,
    RequestTooLargeError,
    UnchangedSince,
)
from fleetpy_api.catch_up import Revised, catch_up
from fleetpy_api.committer import MAX_GUARDS, Committer, deadline
from fleetpy_api.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetpy.ids import MachineID, Revision
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Guard, Registry, Write
    from fleetpy.schemas.fleetpy_v1 import MachineChange
    from fleetpy_api.metrics import Metrics
    from fleetpy_api.patches import MetadataPatch

MAX_ATTEMPTS = 6
NOTHING = MachineSettingsRecord()


class SettingsPicture(Revised, Protocol):
    """What is set for machines, as far as it is known here."""

    def settings(self, machine: MachineID) -> tuple[MachineSettingsRecord, Revision] | None:
        """What is set for a machine, and when it was last written."""
        ...


class SettingsWriter:
    """Writes machine settings, deciding again where somebody else was faster."""

    def __init__(self, registry: Registry, keys: Keys, picture: SettingsPicture, metrics: Metrics) -> None:
        self._committer = Committer(registry, keys, picture)
        self._keys = keys
        self._picture = picture
        self._metrics = metrics

    async def patch_metadata(self, patches: Iterable[MetadataPatch]) -> None:
        """Carry out the patches in order, in one transaction; raises `RefusedError` (413) for too many machines."""
        by_machine: dict[MachineID, dict[str, str | None]] = {}
        for patch in patches:
            by_machine.setdefault(patch.machine, {})[patch.key] = patch.value
        if len(by_machine) > MAX_GUARDS:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the patch is for {len(by_machine)} machines; at most {MAX_GUARDS} can be changed at once",
            )
        await self._write({machine: {"metadata": changes} for machine, changes in by_machine.items()})

    async def change(self, machine: MachineID, change: MachineChange) -> None:
        """Cordon or drain a machine, or no longer."""
        wanted = {"cordoned": change.cordoned, "draining": change.draining}
        asked = {name: value for name, value in wanted.items() if value is not None}
        await self._write({machine: asked} if asked else {})

    async def _write(self, changes: Mapping[MachineID, Mapping[str, object]]) -> None:
        until = deadline()
        for _ in range(MAX_ATTEMPTS if changes else 0):
            writes, guards = self._transaction(changes)
            try:
                with self._metrics.operation("set"):
                    revision = await self._committer.commit(writes, guards, until)
            except GuardFailedError as error:
                if not await catch_up(self._picture, error.revision):
                    break
            except RequestTooLargeError as error:
                raise RefusedError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"what is set for these {len(changes)} machines is too large to be changed at once; "
                    f"change fewer at a time: {error}",
                ) from error
            else:
                await catch_up(self._picture, revision)
                return
        if changes:
            raise UnavailableError(f"the settings of {', '.join(changes)} are being changed by others; try again")

    def _transaction(self, changes: Mapping[MachineID, Mapping[str, object]]) -> tuple[list[Write], list[Guard]]:
        writes: list[Write] = []
        guards: list[Guard] = []
        for machine, change in changes.items():
            key, found = self._keys.settings(machine), self._picture.settings(machine)
            before = found[0] if found else NOTHING
            guards.append(UnchangedSince(key, found[1]) if found else Absent(key))
            update = dict(change)
            if isinstance(changed := update.get("metadata"), dict):
                update["metadata"] = metadata = {**before.metadata, **changed}
                if len(metadata) > MAX_METADATA_PAIRS:
                    raise RefusedError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"machine {machine} would have {len(metadata)} keys of metadata set for it; "
                        f"at most {MAX_METADATA_PAIRS} can be",
                    )
            writes.append(Put(key, before.replace(**update).encode()))
        return writes, guards
