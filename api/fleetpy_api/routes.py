"""How routes are made: what they answer goes into the OpenAPI document, and their bodies must call themselves JSON.

Routes are added to the application one by one rather than by routers, so that `errors` can ask each what it matches.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response
from fastapi.routing import APIRoute

from fleetpy.schemas.v1 import ErrorResponse
from fleetpy_api.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from fastapi import FastAPI, Request


class JSONRoute(APIRoute):
    """A route whose request has a body: 415 comes before anything that the body may have wrong."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler behind the check."""
        handler = super().get_route_handler()

        async def checked(request: Request) -> Response:
            check_content_type(request)
            return await handler(request)

        return checked


def check_content_type(request: Request) -> None:
    """Raise `RefusedError` (415) unless the request has one `Content-Type`, and that is JSON."""
    values = request.headers.getlist("content-type")
    if len(values) != 1:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected one Content-Type, application/json, and got {len(values)}"
        )
    if values[0].partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the only Content-Type taken is application/json, not {values[0]!r}"
        )


def without_nulls(body: Any) -> Any:
    """A JSON object without its nulls: to the original's API they are the same as nothing."""
    if isinstance(body, dict):
        return {key: value for key, value in body.items() if value is not None}
    return body


class Routes:
    """Adds routes below a prefix; `in_schema` says whether the OpenAPI document shows them."""

    def __init__(self, app: FastAPI, prefix: str, *, in_schema: bool = True) -> None:
        self._app = app
        self._prefix = prefix
        self._in_schema = in_schema

    def add(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Coroutine[Any, Any, Response]],
        *,
        answers: Mapping[int, type | None],
        errors: Iterable[int] = (),
        takes_json: bool = False,
        media_type: str = "application/json",
    ) -> None:
        """Have `method` on `path` answered by `endpoint`; `answers` are the entities of good answers, by status."""
        documented: dict[int | str, dict[str, Any]] = {
            code: _documented(code, entity, media_type) for code, entity in answers.items()
        }
        for code in (*errors, HTTPStatus.SERVICE_UNAVAILABLE):
            documented[int(code)] = _documented(code, ErrorResponse)
        self._app.router.add_api_route(
            self._prefix + path,
            endpoint,
            methods=[method],
            status_code=next(iter(answers)),
            response_class=Response,
            responses=documented,
            include_in_schema=self._in_schema,
            route_class_override=JSONRoute if takes_json else None,
        )


def _documented(code: int, entity: type | None, media_type: str = "application/json") -> dict[str, Any]:
    """An answer as the OpenAPI document has it.

    The entity is only referred to: a model of each answer, which FastAPI would make, is never used, and costs a quarter
    of a second and some megabytes at each start. `openapi` adds the schemas when the document is asked for.
    """
    answer: dict[str, Any] = {"description": HTTPStatus(code).phrase}
    if entity is not None:
        answer["content"] = {media_type: {"schema": {"$ref": f"#/components/schemas/{entity.__name__}"}}}
    return answer
