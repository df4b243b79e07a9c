"""`/state` of the original's API: what systemd says of units."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fleetpy.ids import UnitName
from fleetpy.schemas.v1 import UnitStateEntity, UnitStatePage
from fleetpy_api.answers import answer
from fleetpy_api.entities import state_entity
from fleetpy_api.errors import RefusedError
from fleetpy_api.pages import Pager
from fleetpy_api.routes import TEXT, Operation

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from fleetpy.registry.decoding import StoredState
    from fleetpy_api.routes import Routes
    from fleetpy_api.service import Service

_KIND = 2


class StateResource:
    """The resource, wherever it is mounted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pager: Pager[StoredState] = Pager(_KIND, service.token_limit, service.clock)

    def install(self, routes: Routes) -> None:
        """Serve `/state`."""
        filters = {"machineID": TEXT, "unitName": TEXT, "nextPageToken": TEXT}
        routes.add(Operation("GET", "/state", self.list, {200: UnitStatePage}, errors=(400,), query=filters))
        routes.add(Operation("GET", "/state/{name}", self.get, {200: UnitStateEntity}, errors=(404,)))

    async def list(self, request: Request) -> Response:
        """A page of states by unit and machine: all, or those of a unit, of a machine, or of both."""
        picture = await self._service.picture()
        asked = request.query_params
        tokens, machine, unit = asked.getlist("nextPageToken"), asked.get("machineID", ""), asked.get("unitName", "")

        def wanted(state: StoredState) -> bool:
            return machine in ("", state.machine) and unit in ("", state.name)

        page = self._pager.page(tokens, picture.revision, picture.states, wanted)
        return answer(UnitStatePage([state_entity(state) for state in page.items], page.next_token))

    async def get(self, request: Request) -> Response:
        """The state of one unit; of a global one, that on the first machine."""
        name = request.path_params["name"]
        picture = await self._service.picture()
        state = next(iter(picture.states_of(UnitName(name))), None)
        if state is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"no machine reports a state of unit {name}")
        return answer(state_entity(state))
