"""The original fleet's API, `/fleet/v1`: what every fleet API speaks, and all that an original fleetd speaks."""

from __future__ import annotations

import threading
from collections import defaultdict
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from fleetpy.client.errors import ApiRefusedError, UnreadableAnswerError
from fleetpy.client.wire import encode
from fleetpy.schemas.fleetpy_v1 import (
    Change,
    ChangeResult,
    ChangeResults,
    Event,
    MachineStatus,
    MachineStatusList,
    UnitStatus,
    UnitStatusPage,
)
from fleetpy.schemas.v1 import MachinePage, UnitEntity, UnitPage, UnitStateEntity, UnitStatePage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from fleetpy.client.connection import Connection

BASE = "/fleet/v1"

POLL_INTERVAL = 0.25
"""Seconds between two looks at the cluster, as long as the original's own client leaves."""

MOST_PAGES = 100_000
"""A server that gives more pages than this gives the same one over and over."""

Page = TypeVar("Page", UnitPage, UnitStatePage, MachinePage)


class OriginalApi:
    """A `ClusterApi`. Revisions mean nothing to this API: it has none, and always answers from the present."""

    can_restart = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def entities(self) -> list[UnitEntity]:
        """All units, with their options."""
        return [unit for page in self._pages(UnitPage, "units") for unit in page.units]

    def entity(self, name: str) -> UnitEntity | None:
        """One unit, with its options; None for an unknown one."""
        try:
            return self._connection.get(UnitEntity, _unit(name))
        except ApiRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def states(self, name: str = "") -> list[UnitStateEntity]:
        """What machines say of the unit of that name, or of every unit; also of destroyed ones that still stop."""
        pages = self._pages(UnitStatePage, "state", {"unitName": name} if name else {})
        states = [state for page in pages for state in page.states]
        return sorted(states, key=lambda state: (state.name, state.machineID))

    def units(self, names: Collection[str] | None = None) -> UnitStatusPage:
        """The units of these names, or all of them, put together from their entities and states."""
        from fleetpy.client.composed import compose_status  # noqa: PLC0415 - with our own API nobody needs it

        states: dict[str, list[UnitStateEntity]] = defaultdict(list)
        for state in self.states():
            states[state.name].append(state)
        wanted = [unit for unit in self.entities() if names is None or unit.name in names]
        return UnitStatusPage(
            0, [compose_status(unit, states[unit.name]) for unit in sorted(wanted, key=lambda unit: unit.name)]
        )

    def machines(self) -> MachineStatusList:
        """The live machines."""
        machines = [machine for page in self._pages(MachinePage, "machines") for machine in page.machines]
        listed = [MachineStatus(machine.id, machine.primaryIP, metadata=machine.metadata) for machine in machines]
        return MachineStatusList(0, sorted(listed, key=lambda machine: machine.id))

    def change(self, changes: Sequence[Change]) -> ChangeResults:
        """Carry out wishes one by one, each a request; there is no `restart`."""
        return ChangeResults(0, [self._change(change) for change in changes])

    def events(self, names: Collection[str], after: int) -> PolledEvents:  # noqa: ARG002 - the present is never too old
        """What has changed, found out by asking again and again."""
        return PolledEvents(self, names)

    def _change(self, change: Change) -> ChangeResult:
        try:
            if change.action == "destroy":
                return self._destroy(change.name)
            entity = UnitEntity(change.name, change.options or [], change.desiredState or "")
            response = self._connection.send("PUT", _unit(change.name), json_body=encode(entity))
        except ApiRefusedError as error:
            return ChangeResult(change.name, "refused", error.status, str(error))
        return ChangeResult(change.name, "created" if response.status_code == HTTPStatus.CREATED else "changed")

    def _destroy(self, name: str) -> ChangeResult:
        try:
            self._connection.send("DELETE", _unit(name))
        except ApiRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return ChangeResult(name, "unchanged")
            raise
        return ChangeResult(name, "destroyed")

    def _pages(
        self, kind: type[Page], resource: str, filters: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator[Page]:
        token = ""
        for _ in range(MOST_PAGES):
            asked = {**filters, "nextPageToken": token} if token else filters
            page = self._page(kind, resource, asked)
            yield page
            token = page.nextPageToken
            if not token:
                return
        raise UnreadableAnswerError(f"the list of {resource} does not end after {MOST_PAGES} pages")

    def _page(self, kind: type[Page], resource: str, asked: Mapping[str, str]) -> Page:
        """One page; every fleet API has these lists, so what has none is something else, often an etcd."""
        try:
            return self._connection.get(kind, f"{BASE}/{resource}", asked)
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            place = self._connection.endpoint.text
            raise UnreadableAnswerError(
                f"the server at {place} is no fleet API: {error}; fleetctl speaks to fleet-api, not to etcd"
            ) from error


class PolledEvents:
    """An `EventSource` for a server that has none: looks every `POLL_INTERVAL`, and tells what is different."""

    def __init__(self, api: OriginalApi, names: Collection[str], interval: float = POLL_INTERVAL) -> None:
        self._api = api
        self._names = frozenset(names)
        self._interval = interval
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        machines: dict[str, MachineStatus] = {}
        units: dict[str, UnitStatus] = {}
        synced = False
        while not self._stopped.is_set():
            now = {machine.id: machine for machine in self._api.machines().machines}
            yield from _differences(machines, now, lambda machine: Event("machine", 0, machine=machine), "machine-gone")
            machines = now
            seen = {unit.name: unit for unit in self._api.units(self._names).units}
            yield from _differences(units, seen, lambda unit: Event("unit", 0, unit=unit), "unit-gone")
            units = seen
            yield Event("heartbeat" if synced else "synced", 0)
            synced = True
            self._stopped.wait(self._interval)

    def stop(self) -> None:
        """End the iteration, from any thread, once the look that is being taken has been taken."""
        self._stopped.set()


Item = TypeVar("Item", MachineStatus, UnitStatus)


def _differences(
    before: dict[str, Item], now: dict[str, Item], changed: Callable[[Item], Event], gone: str
) -> Iterator[Event]:
    for name, item in now.items():
        if before.get(name) != item:
            yield changed(item)
    for name in before.keys() - now.keys():
        yield Event(gone, 0, name=name)


def _unit(name: str) -> str:
    return f"{BASE}/units/{quote(name, safe='')}"
