"""`/machines` of the original's API: list machines, change their metadata."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from fleetpy.schemas.v1 import MachineEntity, MachinePage
from fleetpy_api.answers import answer
from fleetpy_api.pages import Pager
from fleetpy_api.patches import SCHEMA, read_patches
from fleetpy_api.routes import TEXT, Operation

if TYPE_CHECKING:
    from starlette.requests import Request

    from fleetpy.schemas.fleetpy_v1 import MachineStatus
    from fleetpy_api.routes import Routes
    from fleetpy_api.service import Service

_KIND = 3


class MachinesResource:
    """The resource, wherever it is mounted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pager: Pager[MachineStatus] = Pager(_KIND, service.token_limit, service.clock)

    def install(self, routes: Routes) -> None:
        """Serve `/machines`."""
        page = {"nextPageToken": TEXT}
        routes.add(Operation("GET", "/machines", self.list, {200: MachinePage}, errors=(400,), query=page))
        routes.add(Operation("PATCH", "/machines", self.patch, {204: None}, errors=(400, 413), takes=SCHEMA))

    async def list(self, request: Request) -> Response:
        """A page of the machines that are alive, by id."""
        picture = await self._service.picture()
        tokens = request.query_params.getlist("nextPageToken")
        page = self._pager.page(tokens, picture.revision, picture.machines)
        entities = [MachineEntity(machine.id, machine.primaryIP, machine.metadata) for machine in page.items]
        return answer(MachinePage(entities, page.next_token))

    async def patch(self, request: Request) -> Response:
        """Change the metadata of machines by JSON Patch: all of it, or nothing."""
        # Whatever it calls itself: the original's clients send it without a Content-Type.
        patches = read_patches(await request.body())
        await self._service.patch_metadata(patches)
        # The original's functional tests look for this header on an answer that has no body.
        return Response(status_code=HTTPStatus.NO_CONTENT, media_type="application/json")
