"""`/fleetpy/v1`: what the original's API lacks (`fleetpy.schemas.fleetpy_v1` is the contract)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from fleetpy import __version__
from fleetpy.ids import MachineID, UnitName
from fleetpy.schemas.fleetpy_v1 import (
    Brake,
    BrakeRelease,
    ChangeBatch,
    ChangeResult,
    ChangeResults,
    Explanation,
    Health,
    MachineChange,
    MachineStatusList,
    UnitStatusPage,
)
from fleetpy_api.answers import answer, answer_all
from fleetpy_api.bodies import read_entity
from fleetpy_api.decide import Status
from fleetpy_api.errors import RefusedError
from fleetpy_api.pages import by_key
from fleetpy_api.peers import requester
from fleetpy_api.routes import TEXTS, Operation

if TYPE_CHECKING:
    from starlette.requests import Request

    from fleetpy.schemas.fleetpy_v1 import Change, UnitStatus
    from fleetpy_api.decide import Decision
    from fleetpy_api.entities import UnitFacts
    from fleetpy_api.routes import Routes
    from fleetpy_api.service import Service

MAX_CHANGES = 5000
"""Changes in one batch: some 40 transactions, answered within fleetctl's patience."""


class OwnResources:
    """The resources, wherever they are mounted."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def install(self, routes: Routes) -> None:
        """Serve everything but the stream of events."""
        batch, change, release = (400, 413, 415), (400, 404, 415), (400, 409, 415)
        for operation in (
            Operation("POST", "/changes", self.change, {200: ChangeResults}, batch, ChangeBatch),
            Operation("GET", "/units", self.units, {200: UnitStatusPage}, (400,), query={"name": TEXTS}),
            Operation("GET", "/units/{name}/explain", self.explain, {200: Explanation}, (404,)),
            Operation("GET", "/machines", self.machines, {200: MachineStatusList}),
            Operation("PATCH", "/machines/{machine}", self.change_machine, {204: None}, change, MachineChange),
            Operation("GET", "/brake", self.brake, {200: Brake}),
            Operation("POST", "/brake/release", self.release_brake, {204: None}, release, BrakeRelease),
            Operation("GET", "/health", self.health, {200: Health}),
        ):
            routes.add(operation)

    async def change(self, request: Request) -> Response:
        """Carry out wishes for many units, each by itself."""
        batch = await read_entity(request, ChangeBatch)
        if len(batch.changes) > MAX_CHANGES:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{len(batch.changes)} changes are too many for one batch; send at most {MAX_CHANGES} at a time",
            )
        decisions, revision = await self._service.change_all(batch.changes, requester(request))
        results = [_result(change, decision) for change, decision in zip(batch.changes, decisions, strict=True)]
        return answer(ChangeResults(revision, results))

    async def units(self, request: Request) -> Response:
        """Every unit, or those named, by name."""
        picture = await self._service.picture()
        if names := request.query_params.getlist("name"):
            found = (picture.unit(UnitName(name)) for name in sorted(set(names)))
            facts = [one for one in found if one is not None]
        else:
            facts = [one for _, one in sorted(picture.units(), key=by_key)]

        def status(one: UnitFacts) -> UnitStatus:
            return one.status(picture.pending(one.unit.name) if one.waits else "")

        return answer_all(picture.revision, "units", facts, status)

    async def explain(self, request: Request) -> Response:
        """Where a unit is, where it would go, and why not elsewhere."""
        name = request.path_params["name"]
        picture = await self._service.picture()
        explanation = picture.explain(UnitName(name))
        if explanation is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"unit {name} does not exist")
        return answer(explanation)

    async def machines(self, _request: Request) -> Response:
        """Every machine that is alive, by id."""
        picture = await self._service.picture()
        machines = [machine for _, machine in sorted(picture.machines(), key=by_key)]
        return answer(MachineStatusList(picture.revision, machines))

    async def change_machine(self, request: Request) -> Response:
        """Cordon or drain a machine, or no longer."""
        machine = MachineID(request.path_params["machine"])
        await self._service.change_machine(machine, await read_entity(request, MachineChange))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def brake(self, _request: Request) -> Response:
        """How the brake on mass failure is."""
        picture = await self._service.picture()
        return answer(picture.brake())

    async def release_brake(self, request: Request) -> Response:
        """Have units of machines that the brake holds start elsewhere."""
        await self._service.release_brake(await read_entity(request, BrakeRelease), requester(request))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def health(self, _request: Request) -> Response:
        """Whether the API can answer: 503 while the registry is away."""
        picture = await self._service.picture()
        await self._service.check_registry()
        return answer(Health("ok", __version__, picture.revision, picture.leader))


def _result(change: Change, decision: Decision) -> ChangeResult:
    if decision.status is Status.REFUSED:
        return ChangeResult(change.name, decision.status, decision.code, decision.message)
    stamp = decision.record.restarted if change.action == "restart" and decision.record else None
    return ChangeResult(change.name, decision.status, restarted=stamp or "")
