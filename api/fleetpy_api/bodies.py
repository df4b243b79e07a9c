"""What a request's body says: JSON that calls itself JSON, read into an entity of `fleetpy.schemas`.

msgspec reads it, as it reads the registry: exactly by the entity's types. Fields that are not known are passed over.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fleetpy_api.errors import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")

_INDEX = re.compile(r"\[([0-9]+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


async def read_json(request: Request) -> Any:
    """The body's JSON.

    Raises `RefusedError`: 415, before anything that the body may have wrong, and 400.
    """
    _check_content_type(request)
    try:
        return msgspec.json.decode((await request.body()).decode())
    except RecursionError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is nested too deeply") from error
    except (ValueError, msgspec.DecodeError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error


async def read_entity(request: Request, kind: type[T]) -> T:
    """The body as an entity; raises `RefusedError` (415, 400)."""
    return to_entity(await read_json(request), kind)


def to_entity(value: Any, kind: type[T]) -> T:
    """The entity that a JSON value is; raises `RefusedError` (400)."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, _describe(error)) from error


def without_nulls(body: Any) -> Any:
    """A JSON object without its nulls: to the original's API they are the same as nothing."""
    if isinstance(body, dict):
        return {key: value for key, value in body.items() if value is not None}
    return body


def _check_content_type(request: Request) -> None:
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


def _describe(error: msgspec.ValidationError) -> str:
    """What does not fit, with the place where it is: `options.0.name: field required`."""
    # msgspec says: Expected `str`, got `int` - at `$.options[0].name`
    words, _, place = str(error).partition(" - at `$")
    place = _INDEX.sub(r".\1", place.rstrip("`")).lstrip(".")
    if missing := _MISSING.fullmatch(words):
        return f"{place}.{missing[1]}: field required".lstrip(".")
    words = words[:1].lower() + words[1:]
    return f"{place}: {words}" if place else words
