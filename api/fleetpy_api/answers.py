"""Answers as JSON: entities without the fields that have their default, as the original leaves empty fields out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi.responses import Response, StreamingResponse
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

T = TypeVar("T")

CHUNK = 500
"""How many entities are encoded at once; between chunks other requests have their turn."""


@cache
def adapter(entity: type) -> TypeAdapter[Any]:
    """What reads and writes an entity's JSON; made once for each type."""
    return TypeAdapter(entity)


def encode(entity: Any) -> bytes:
    """An entity's JSON."""
    return adapter(entity.__class__).dump_json(entity, exclude_defaults=True)


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
