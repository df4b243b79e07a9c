"""JSON Patch (RFC 6902) as far as the original's `PATCH /machines` takes it: `/<machine>/metadata/<key>`.

A value may stand as it is, or as `{"value": …}`, which is what the original's server took, against its documentation.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fleetpy.ids import MachineID
from fleetpy.model.limits import MAX_METADATA_KEY, MAX_METADATA_VALUE
from fleetpy_api.errors import RefusedError

_PATH = re.compile(rf"/([A-Za-z0-9_.-]{{1,64}})/metadata/([A-Za-z0-9_.-]{{1,{MAX_METADATA_KEY}}})")

_PATH_SCHEMA = {
    "type": "string",
    "pattern": rf"^/[A-Za-z0-9_.-]{{1,64}}/metadata/[A-Za-z0-9_.-]{{1,{MAX_METADATA_KEY}}}$",
}
SCHEMA: dict[str, Any] = {
    "type": "array",
    "items": {
        "oneOf": [
            {
                "type": "object",
                "required": ["op", "path", "value"],
                "properties": {
                    "op": {"type": "string", "enum": ["add", "replace"]},
                    "path": _PATH_SCHEMA,
                    "value": {"type": "string", "minLength": 1, "maxLength": MAX_METADATA_VALUE},
                },
            },
            {
                "type": "object",
                "required": ["op", "path"],
                "properties": {"op": {"type": "string", "enum": ["remove"]}, "path": _PATH_SCHEMA},
            },
        ]
    },
}
"""What clients are to send, as JSON schema; more than that is put up with."""


@dataclass(frozen=True, slots=True)
class MetadataPatch:
    """Set a machine's metadata `key` to `value`, or take it away (None)."""

    machine: MachineID
    key: str
    value: str | None


def read_patches(body: bytes) -> list[MetadataPatch]:
    """The operations in order; raises `RefusedError` (400) for the first that is wrong, and nothing is done then."""
    try:
        operations = json.loads(body)
    except RecursionError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is nested too deeply") from error
    except ValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    if not isinstance(operations, list):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "a JSON Patch is a list of operations")
    return [_read(index, operation) for index, operation in enumerate(operations)]


def _read(index: int, operation: Any) -> MetadataPatch:
    if not isinstance(operation, dict):
        raise _wrong(index, "it is not an object")
    verb, path = operation.get("op"), operation.get("path")
    if verb not in ("add", "remove", "replace"):
        raise _wrong(index, f"its op is {verb!r}; it can be add, remove or replace")
    match = _PATH.fullmatch(path) if isinstance(path, str) else None
    if match is None:
        raise _wrong(index, f"its path is {path!r}; it has the form /<machine id>/metadata/<key>")
    value = None if verb == "remove" else _value(index, operation)
    return MetadataPatch(MachineID(match.group(1)), match.group(2), value)


def _value(index: int, operation: dict[str, Any]) -> str:
    # Go, and so the original and its clients, does not tell "value" from "Value".
    value = next((content for key, content in operation.items() if key.lower() == "value"), None)
    if isinstance(value, dict):
        value = value.get("value")
    if not isinstance(value, str) or not value:
        raise _wrong(index, "add and replace take a value, which is a text and not empty")
    if not _is_unicode(value):
        raise _wrong(index, "its value is not valid Unicode")
    if len(value) > MAX_METADATA_VALUE:
        raise _wrong(index, f"its value is longer than {MAX_METADATA_VALUE} characters")
    return value


def _is_unicode(text: str) -> bool:
    """Whether a text can be stored: JSON may have halves of surrogate pairs, which nothing can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong(index: int, problem: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, f"operation {index} of the patch: {problem}")
