"""The client of the HTTP API: finds out which API a server speaks, and speaks it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fleetpy.client.connection import Connection
from fleetpy.client.endpoint import DEFAULT_ENDPOINT, DEFAULT_TIMEOUT, TLSFiles, parse_endpoint
from fleetpy.client.errors import ApiFailedError, ApiRefusedError
from fleetpy.client.original import OriginalApi
from fleetpy.client.own import FleetpyApi
from fleetpy.client.transport import open_http
from fleetpy.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import TracebackType

    from fleetpy.client.cluster_api import ClusterApi, EventSource
    from fleetpy.client.endpoint import Route
    from fleetpy.schemas.fleetpy_v1 import (
        Brake,
        BrakeRelease,
        Change,
        ChangeResults,
        Explanation,
        Health,
        MachineChange,
        MachineStatusList,
        UnitStatusPage,
    )
    from fleetpy.schemas.v1 import UnitEntity, UnitStateEntity

_ABSENT = frozenset({404, 405})


class FleetClient:
    """A cluster, as seen through one API. Nothing is sent before the first question.

    It is a context manager, which closes its connections. Every method but `close` raises the errors of
    `fleetpy.client.errors`, each with a sentence for the user. With a `route`, every connection goes to its socket.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        tls: TLSFiles | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        route: Route | None = None,
    ) -> None:
        place = parse_endpoint(endpoint)
        http = open_http(place, tls or TLSFiles(), timeout, route)
        told = place if route is None else replace(place, text=f"{place.text} {route.words}")
        self._connection = Connection(http, told)
        self._own = FleetpyApi(self._connection)
        self._original = OriginalApi(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    @cached_property
    def has_own_api(self) -> bool:
        """Whether the server is fleetpy's; if not, it is taken for an original fleetd."""
        try:
            self._own.health()
        except ApiRefusedError as error:
            if error.status in _ABSENT:
                return False
            raise
        except ApiFailedError:
            return True  # ours, or on the way; the question itself will say what is the matter
        return True

    @property
    def can_restart(self) -> bool:
        """Whether there is a `restart` among the changes."""
        return self._api.can_restart

    @property
    def _api(self) -> ClusterApi:
        return self._own if self.has_own_api else self._original

    def units(self, names: Collection[str] | None = None) -> UnitStatusPage:
        """The units of these names (unknown ones are left out), or all of them; sorted by name."""
        return self._api.units(names)

    def unit(self, name: str) -> UnitEntity | None:
        """One unit with its options, as the original's API gives it; None for an unknown one."""
        return self._original.entity(name)

    def states(self) -> list[UnitStateEntity]:
        """What machines say of units, also of destroyed ones that are not stopped yet; sorted by name and machine."""
        return self._original.states()

    def states_of(self, name: str) -> list[UnitStateEntity]:
        """What machines say of one unit; of a destroyed one as long as it is not stopped; by machine."""
        return self._original.states(name)

    def machines(self) -> MachineStatusList:
        """The live machines; sorted by id."""
        return self._api.machines()

    def changes(self, changes: Sequence[Change]) -> ChangeResults:
        """Carry out wishes for units, each by itself; one result for each, refused ones among them."""
        return self._api.change(changes)

    def events(self, names: Collection[str], after: int = 0) -> EventSource:
        """What becomes of these units, and of all machines, in a picture at least as new as the revision `after`."""
        return self._api.events(names, after)

    def change_machine(self, machine: str, change: MachineChange) -> None:
        """Set something for a machine; `UserError` if the server is an original fleetd."""
        self._require_own().change_machine(machine, change)

    def explain(self, name: str) -> Explanation:
        """Where a unit is, would go, and why not elsewhere; `UserError` if the server is an original fleetd."""
        return self._require_own().explain(name)

    def brake(self) -> Brake:
        """How the brake on mass failure is; `UserError` if the server is an original fleetd."""
        return self._require_own().brake()

    def release_brake(self, release: BrakeRelease) -> None:
        """Release machines from it; `UserError` if the server is an original fleetd."""
        self._require_own().release_brake(release)

    def health(self) -> Health:
        """Whether the API can answer; `UserError` if the server is an original fleetd."""
        return self._require_own().health()

    def _require_own(self) -> FleetpyApi:
        if not self.has_own_api:
            place = self._connection.endpoint.text
            raise UserError(f"the server at {place} is an original fleetd, which cannot answer that; ask a fleet-api")
        return self._own
