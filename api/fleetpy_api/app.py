"""The HTTP application: every resource at its place."""

from __future__ import annotations

import contextlib
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from fleetpy.daemon.metrics_socket import read_metrics
from fleetpy.errors import UnavailableError
from fleetpy_api.discovery import discovery_document
from fleetpy_api.errors import error_response, install_error_handlers
from fleetpy_api.events import EventsResource
from fleetpy_api.machines import MachinesResource
from fleetpy_api.metrics import CONTENT_TYPE
from fleetpy_api.openapi import PATH as OPENAPI_PATH
from fleetpy_api.openapi import openapi_document
from fleetpy_api.own import OwnResources
from fleetpy_api.routes import Operation, Routes, Table
from fleetpy_api.state import StateResource
from fleetpy_api.units import UnitsResource

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from fleetpy_api.events import Streams
    from fleetpy_api.service import Service

V1 = "/fleet/v1"
V1_ALPHA = "/v1-alpha"
OWN = "/fleetpy/v1"


def build_app(service: Service, streams: Streams) -> Starlette:
    """The application; `Front` goes before it."""
    table = Table()
    resources = (UnitsResource(service), StateResource(service), MachinesResource(service))
    for prefix in (V1, V1_ALPHA):
        routes = Routes(table, prefix, in_schema=prefix == V1)
        for resource in resources:
            resource.install(routes)
        routes.add(Operation("GET", "/discovery", discovery, {200: None}))
    own = Routes(table, OWN)
    OwnResources(service).install(own)
    EventsResource(service, streams).install(own)
    _install_metrics(Routes(table, ""), service)
    _install_openapi(table)
    app = Starlette(routes=[*table.routes, *(Route(path, _Branch(path)) for path in ("/", V1, V1_ALPHA, OWN))])
    app.router.redirect_slashes = False
    install_error_handlers(app)
    return app


class _Branch:
    """A path that others stand below and that is nothing itself: 405, as the original had it."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"nothing can be asked of {self._path} itself; {OPENAPI_PATH} lists what there is"
        response = error_response(HTTPStatus.METHOD_NOT_ALLOWED, message, {"Allow": ""})
        await response(scope, receive, send)


async def discovery(_request: Request) -> Response:
    """The discovery document, from which clients can be generated."""
    return Response(discovery_document(), media_type="application/json")


def _install_metrics(routes: Routes, service: Service) -> None:
    async def metrics(_request: Request) -> Response:
        """Metrics in Prometheus' text format: the API's own and, where there is one, those of the host's scheduler."""
        with contextlib.suppress(UnavailableError):  # fleet_api_live says so
            await service.picture()
        return Response(service.metrics.text() + await read_metrics(), media_type=CONTENT_TYPE)

    routes.add(Operation("GET", "/metrics", metrics, {200: None}))


def _install_openapi(table: Table) -> None:
    document = cache(lambda: openapi_document(table.operations))

    async def openapi(_request: Request) -> Response:
        """This document."""
        return Response(document(), media_type="application/json")

    Routes(table, "", in_schema=False).add(Operation("GET", OPENAPI_PATH, openapi, {200: None}))
