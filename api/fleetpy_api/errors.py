"""How errors are answered: always `{"error": {"code": …, "message": …}}`, as the original did.

| raised | answered |
| --- | --- |
| `RefusedError` | its code: 400, 404, 409, 413 or 415 |
| another `UserError` | 400 |
| `RequestTooLargeError` | 413 |
| another `UnavailableError` | 503 |
| `LostRaceError` that outlived its retries | 503 |
| a path or method that there is not | 404 or 405, with the methods that there are |

Anything else is a defect: 500 without details, and a traceback in the log.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from fleetpy.errors import LostRaceError, UnavailableError, UserError
from fleetpy.registry.protocol import RequestTooLargeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request

_log = logging.getLogger(__name__)


class RefusedError(UserError):
    """A request that is refused; `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


LONGEST_MESSAGE = 4000
"""Characters of an error's message, which may quote what was sent."""


def error_body(code: int, message: str) -> bytes:
    """The JSON of an error."""
    if len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE] + "…"
    text = json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False)
    # A message may quote what was sent, halves of surrogate pairs too: escaped like this they are JSON's own escapes.
    return text.encode(errors="backslashreplace")


def error_response(code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is an error."""
    return Response(error_body(code, message), status_code=code, media_type="application/json", headers=headers)


def install_error_handlers(app: Starlette) -> None:
    """Answer every error of the application in the one form."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(UserError, _user)
    app.add_exception_handler(RequestTooLargeError, _too_large)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(LostRaceError, _lost_race)
    app.add_exception_handler(Exception, _defect)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # pragma: no cover - what Starlette's signature allows
        raise error
    path = request.url.path
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _allowed_methods(request)
        message = f"only {' and '.join(allowed)} can be asked of {path}"
        return error_response(error.status_code, message, {"Allow": ", ".join(allowed)})
    message = f"there is nothing at {path}" if error.detail == HTTPStatus.NOT_FOUND.phrase else str(error.detail)
    return error_response(error.status_code, message, error.headers)


def _allowed_methods(request: Request) -> list[str]:
    """What the path can be asked: several routes may share it, and each knows only its own methods."""
    matching = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in matching for method in route.methods})


async def _gone(_request: Request, _error: Exception) -> Response:
    """Nobody reads this: the client went away in the middle of its request."""
    return error_response(HTTPStatus.BAD_REQUEST, "the request ends before its body does")


async def _user(_request: Request, error: Exception) -> Response:
    code = error.code if isinstance(error, RefusedError) else HTTPStatus.BAD_REQUEST
    return error_response(code, str(error))


async def _too_large(_request: Request, error: Exception) -> Response:
    return error_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))


async def _unavailable(_request: Request, error: Exception) -> Response:
    return error_response(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


async def _lost_race(_request: Request, error: Exception) -> Response:
    message = f"others keep changing the same thing, and this change was not made ({error}); try again"
    return error_response(HTTPStatus.SERVICE_UNAVAILABLE, message)


async def _defect(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed by a defect of fleet-api", request.method, request.url.path, exc_info=error)
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "fleet-api has a defect; its log has the details")
