"""JSON of the API to the dataclasses of `fleetpy.schemas`, and back.

No pydantic: fleetctl must start in a blink. What each class needs is worked out once, when the first of its kind is
read. Fields that a newer server added are passed over; a field with a default may be absent; anything else that
does not fit raises `UnreadableAnswerError` with the place where it stands.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from fleetpy.client.errors import UnreadableAnswerError

T = TypeVar("T")

_Reader = Callable[[Any], Any]

_SCALARS: tuple[type, ...] = (str, int, bool)
_SHORT = 80


class _MisfitError(Exception):
    """A value that does not fit; `path` grows on the way out."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.value = value
        self.path: list[str] = []


def decode(kind: type[T], text: str | bytes) -> T:
    """Read one entity from JSON; raises `UnreadableAnswerError`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswerError(f"the API's answer is not JSON: {_short(text)}") from error
    return decode_value(kind, value)


def decode_value(kind: type[T], value: object) -> T:
    """Make an entity of what JSON was read into; raises `UnreadableAnswerError`."""
    try:
        entity: T = _reader(typing.cast("Any", kind))(value)
    except _MisfitError as error:
        place = ".".join(reversed(error.path)) or "it"
        raise UnreadableAnswerError(
            f"the API's answer is no {kind.__name__}: {place} should be {error.expected}, and is {_short(error.value)}"
        ) from None
    return entity


def encode(entity: object) -> bytes:
    """Write an entity as JSON, without the fields that are None."""
    return json.dumps(entity, default=_fields, separators=(",", ":")).encode()


def _fields(entity: Any) -> dict[str, object]:
    named = ((field.name, getattr(entity, field.name)) for field in dataclasses.fields(entity))
    return {name: value for name, value in named if value is not None}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


@cache
def _reader(kind: Any) -> _Reader:
    origin = typing.get_origin(kind)
    if kind in _SCALARS:
        return _scalar(kind)
    if origin is types.UnionType or origin is typing.Union:
        return _optional(kind)
    if origin is list:
        return _list(_reader(*typing.get_args(kind)))
    if origin is dict:
        return _mapping(_reader(typing.get_args(kind)[1]))
    if dataclasses.is_dataclass(kind):
        return _entity(kind)
    raise TypeError(f"entities have no fields of the type {kind!r}")


def _scalar(kind: type) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise _MisfitError(f"a {kind.__name__}", value)

    return read


def _optional(kind: Any) -> _Reader:
    (inner,) = (_reader(part) for part in typing.get_args(kind) if part is not types.NoneType)

    def read(value: Any) -> Any:
        return None if value is None else inner(value)

    return read


def _list(item: _Reader) -> _Reader:
    def read(value: Any) -> Any:
        if value is None:
            return []  # Go's JSON of an empty list
        if type(value) is not list:
            raise _MisfitError("a list", value)
        try:
            return [item(part) for part in value]
        except _MisfitError as error:
            error.path.append("[]")
            raise

    return read


def _mapping(item: _Reader) -> _Reader:
    def read(value: Any) -> Any:
        if value is None:
            return {}  # likewise
        if type(value) is not dict:
            raise _MisfitError("an object", value)
        return {key: item(part) for key, part in value.items()}

    return read


def _entity(kind: Any) -> _Reader:
    types_by_name = typing.get_type_hints(kind)
    readers = {field.name: _reader(types_by_name[field.name]) for field in dataclasses.fields(kind)}

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _MisfitError("an object", value)
        arguments = {}
        for name, part in value.items():
            reader = readers.get(name)
            if reader is not None:
                try:
                    arguments[name] = reader(part)
                except _MisfitError as error:
                    error.path.append(name)
                    raise
        try:
            return kind(**arguments)
        except TypeError:
            missing = next(field.name for field in dataclasses.fields(kind) if _is_missing(field, arguments))
            raise _MisfitError(f"an object with {missing!r}", value) from None

    return read


def _is_missing(field: dataclasses.Field[Any], arguments: dict[str, object]) -> bool:
    has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    return field.name not in arguments and not has_default
