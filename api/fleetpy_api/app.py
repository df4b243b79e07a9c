"""The HTTP application: every resource at its place."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.routing import Route

from fleetpy import __version__
from fleetpy.daemon.metrics_socket import read_metrics
from fleetpy.errors import UnavailableError
from fleetpy_api.discovery import discovery_document
from fleetpy_api.errors import error_response, install_error_handlers
from fleetpy_api.events import EventsResource
from fleetpy_api.machines import MachinesResource
from fleetpy_api.metrics import CONTENT_TYPE
from fleetpy_api.openapi import PATH as OPENAPI_PATH
from fleetpy_api.openapi import install_openapi
from fleetpy_api.own import OwnResources
from fleetpy_api.routes import Routes
from fleetpy_api.state import StateResource
from fleetpy_api.units import UnitsResource

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from fleetpy_api.events import Streams
    from fleetpy_api.service import Service

V1 = "/fleet/v1"
V1_ALPHA = "/v1-alpha"
OWN = "/fleetpy/v1"

DESCRIPTION = (
    "The original fleet's API under `/fleet/v1` (and `/v1-alpha`, the same), and what it lacks under `/fleetpy/v1`."
)


def build_app(service: Service, streams: Streams) -> FastAPI:
    """The application; `Front` goes before it."""
    app = FastAPI(
        title="fleet API",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=OPENAPI_PATH,
        # These pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    install_error_handlers(app)
    resources = (UnitsResource(service), StateResource(service), MachinesResource(service))
    for prefix in (V1, V1_ALPHA):
        routes = Routes(app, prefix, in_schema=prefix == V1)
        for resource in resources:
            resource.install(routes)
        routes.add("GET", "/discovery", _discovery, answers={200: None})
    own = Routes(app, OWN)
    OwnResources(service).install(own)
    EventsResource(service, streams).install(own)
    _install_metrics(app, service)
    for path in ("/", V1, V1_ALPHA, OWN):
        app.router.routes.append(Route(path, _Branch(path)))
    install_openapi(app)
    return app


class _Branch:
    """A path that others stand below and that is nothing itself: 405, as the original had it."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"nothing can be asked of {self._path} itself; {OPENAPI_PATH} lists what there is"
        response = error_response(HTTPStatus.METHOD_NOT_ALLOWED, message, {"Allow": ""})
        await response(scope, receive, send)


async def _discovery() -> Response:
    """The discovery document, from which clients can be generated."""
    return Response(discovery_document(), media_type="application/json")


def _install_metrics(app: FastAPI, service: Service) -> None:
    async def tell() -> Response:
        """Metrics in Prometheus' text format: the API's own and, where there is one, those of the host's scheduler."""
        with contextlib.suppress(UnavailableError):  # fleet_api_live says so
            await service.picture()
        return Response(service.metrics.text() + await read_metrics(), media_type=CONTENT_TYPE)

    app.router.add_api_route("/metrics", tell, methods=["GET"], response_class=Response)
