"""fleetpy's own API, `/fleetpy/v1`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.client.errors import UnreadableAnswerError
from fleetpy.client.wire import decode, encode
from fleetpy.schemas.fleetpy_v1 import (
    Brake,
    BrakeRelease,
    Change,
    ChangeResult,
    ChangeResults,
    Event,
    Explanation,
    Health,
    MachineChange,
    MachineStatusList,
    UnitStatusPage,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from fleetpy.client.connection import Connection

BASE = "/fleetpy/v1"

BATCH_SIZE = 200
"""Changes in one request: few enough that each is answered well within its time, and to see them come on."""

BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of changes in one request; a single larger one goes by itself."""

NAMES_IN_A_QUERY = 200
"""More names than this make too long a URL; then everything is asked for."""

SILENCE = 45.0
"""Seconds without so much as a heartbeat after which a stream of events is taken for dead."""


class FleetpyApi:
    """A `ClusterApi`."""

    can_restart = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def health(self) -> Health:
        """Whether the API can answer; raises `ApiFailedError` when it says that it cannot."""
        return self._connection.get(Health, f"{BASE}/health")

    def units(self, names: Collection[str] | None = None) -> UnitStatusPage:
        """The units of these names (unknown ones are left out), or all of them."""
        page = self._connection.get(UnitStatusPage, f"{BASE}/units", _query(names))
        wanted = page.units if names is None else [unit for unit in page.units if unit.name in names]
        return UnitStatusPage(page.revision, sorted(wanted, key=lambda unit: unit.name))

    def machines(self) -> MachineStatusList:
        """The live machines."""
        answer = self._connection.get(MachineStatusList, f"{BASE}/machines")
        return MachineStatusList(answer.revision, sorted(answer.machines, key=lambda machine: machine.id))

    def change_machine(self, machine: str, change: MachineChange) -> None:
        """Set something for a machine."""
        self._connection.send("PATCH", f"{BASE}/machines/{machine}", json_body=encode(change))

    def change(self, changes: Sequence[Change]) -> ChangeResults:
        """Carry out wishes, many in a request; the revision is that of the last."""
        revision = 0
        results: list[ChangeResult] = []
        for batch in _batches([encode(change) for change in changes]):
            body = b'{"changes":[' + b",".join(batch) + b"]}"
            answer = self._connection.send("POST", f"{BASE}/changes", json_body=body)
            done = decode(ChangeResults, answer.content)
            revision = max(revision, done.revision)
            if len(done.results) != len(batch):
                raise UnreadableAnswerError(f"the API answered {len(batch)} changes with {len(done.results)} results")
            results += done.results
        return ChangeResults(revision, results)

    def explain(self, name: str) -> Explanation:
        """Where a unit is, where it would go, and why not elsewhere; `ApiRefusedError` (404) for an unknown one."""
        return self._connection.get(Explanation, f"{BASE}/units/{name}/explain")

    def brake(self) -> Brake:
        """How the brake on mass failure is."""
        return self._connection.get(Brake, f"{BASE}/brake")

    def release_brake(self, release: BrakeRelease) -> None:
        """Release machines from it; `ApiRefusedError` (409) if it does not hold one of them."""
        self._connection.send("POST", f"{BASE}/brake/release", json_body=encode(release))

    def events(self, names: Collection[str], after: int) -> OwnEvents:
        """The server's stream of events."""
        return OwnEvents(self._connection, names, after)


class OwnEvents:
    """An `EventSource` that reads the server's stream."""

    def __init__(self, connection: Connection, names: Collection[str], after: int) -> None:
        self._names = frozenset(names)
        params = {**_query(names), "after": str(after)}
        self._lines = connection.lines(f"{BASE}/events", params, SILENCE)

    def __iter__(self) -> Iterator[Event]:
        for line in self._lines:
            event = decode(Event, line)
            name = event.unit.name if event.unit is not None else event.name
            if not event.type.startswith("unit") or name in self._names:
                yield event

    def stop(self) -> None:
        """End the iteration, from any thread."""
        self._lines.stop()


def _query(names: Collection[str] | None) -> dict[str, str | Sequence[str]]:
    if names is None or not 0 < len(names) <= NAMES_IN_A_QUERY:
        return {}
    return {"name": sorted(names)}


def _batches(changes: list[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for change in changes:
        if batch and (len(batch) == BATCH_SIZE or size + len(change) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(change)
        size += len(change)
    if batch:
        yield batch
