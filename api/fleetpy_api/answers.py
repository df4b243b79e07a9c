"""Answers as JSON: entities without the fields that have their default, as the original leaves empty fields out."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

T = TypeVar("T")

CHUNK = 500
"""How many entities are encoded at once; between chunks other requests have their turn."""


@cache
def _defaults(entity: type) -> tuple[tuple[str, Any], ...]:
    """An entity's fields, each with its default; `MISSING`, which nothing equals, where it has none."""
    return tuple(
        (field.name, field.default if field.default_factory is MISSING else field.default_factory())
        for field in fields(entity)
    )


def _filled(entity: Any) -> dict[str, Any]:
    named = _defaults(entity.__class__)
    return {name: value for name, default in named if (value := getattr(entity, name)) != default}


_encoder = json.JSONEncoder(default=_filled, ensure_ascii=False, check_circular=False, separators=(",", ":"))


def encode(entity: Any) -> bytes:
    """An entity's JSON."""
    return _encoder.encode(entity).encode()


def answer(entity: Any, status: int = 200) -> Response:
    """An answer with an entity for its body."""
    return Response(encode(entity), status_code=status, media_type="application/json")


def answer_all(revision: int, field: str, items: Sequence[T], entity: Callable[[T], Any]) -> Response:
    """`{"revision": …, "<field>": […]}` with any number of entities, encoded while it is sent."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"revision":%d,"%s":[' % (revision, field.encode())
        for start in range(0, len(items), CHUNK):
            encoded = b",".join(encode(entity(item)) for item in items[start : start + CHUNK])
            yield b"," + encoded if start else encoded
        yield b"]}"

    return StreamingResponse(chunks(), media_type="application/json")
