"""`/units` of the original's API: list, read, set and destroy units."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from fleetpy.errors import InvalidUnitNameError
from fleetpy.ids import UnitName
from fleetpy.model.states import UnitGoal
from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy.schemas.v1 import UnitEntity, UnitPage
from fleetpy_api.answers import answer
from fleetpy_api.bodies import read_json, to_entity, without_nulls
from fleetpy_api.decide import Status
from fleetpy_api.errors import RefusedError
from fleetpy_api.pages import Pager
from fleetpy_api.peers import requester
from fleetpy_api.routes import TEXT, Operation
from fleetpy_api.stopping import Stopping

if TYPE_CHECKING:
    from starlette.requests import Request

    from fleetpy_api.entities import UnitFacts
    from fleetpy_api.routes import Routes
    from fleetpy_api.service import Service

_KIND = 1


class UnitsResource:
    """The resource, wherever it is mounted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pager: Pager[UnitFacts] = Pager(_KIND, service.token_limit, service.clock)
        self._stopping = Stopping(service.clock)

    def install(self, routes: Routes) -> None:
        """Serve `/units`."""
        item = "/units/{name}"
        page = {"nextPageToken": TEXT}
        routes.add(Operation("GET", "/units", self.list, {200: UnitPage}, errors=(400,), query=page))
        routes.add(Operation("GET", item, self.get, {200: UnitEntity}, errors=(404,)))
        routes.add(Operation("DELETE", item, self.destroy, {204: None}, errors=(404,)))
        answers, errors = {201: None, 204: None}, (400, 409, 413, 415)
        routes.add(Operation("PUT", item, self.set, answers, errors=errors, takes=UnitEntity))

    async def list(self, request: Request) -> Response:
        """A page of the units that the cluster knows, by name."""
        picture = await self._service.picture()
        tokens = request.query_params.getlist("nextPageToken")
        page = self._pager.page(tokens, picture.revision, picture.units)
        return answer(UnitPage([facts.entity() for facts in page.items], page.next_token))

    async def get(self, request: Request) -> Response:
        """One unit."""
        name = request.path_params["name"]
        picture = await self._service.picture()
        facts = picture.unit(UnitName(name))
        if facts is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"unit {name} does not exist")
        entity = facts.entity()
        if entity.desiredState == UnitGoal.LOADED == entity.currentState and self._stopping.has(UnitName(name)):
            entity = replace(entity, currentState=UnitGoal.LAUNCHED)
        return answer(entity)

    async def set(self, request: Request) -> Response:
        """Make a unit, replace its options, or say what state it is to be in."""
        name = request.path_params["name"]
        unit = to_entity(without_nulls(await read_json(request)), UnitEntity)
        if unit.name and unit.name != name:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, f"the URL names unit {name}, and the body names unit {unit.name}"
            )
        change = Change(name, options=unit.options, desiredState=unit.desiredState)
        decision = await self._service.change(change, requester(request))
        if decision.stops:
            self._stopping.note(UnitName(name))
        made = decision.status is Status.CREATED or decision.replaces
        return Response(status_code=HTTPStatus.CREATED if made else HTTPStatus.NO_CONTENT)

    async def destroy(self, request: Request) -> Response:
        """Stop a unit and forget it."""
        name = request.path_params["name"]
        try:
            decision = await self._service.change(Change(name, action="destroy"), requester(request))
        except InvalidUnitNameError as error:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no such unit: {error}") from error
        if decision.status is not Status.DESTROYED:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"unit {name} does not exist")
        return Response(status_code=HTTPStatus.NO_CONTENT)
