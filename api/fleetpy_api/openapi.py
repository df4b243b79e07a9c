"""The OpenAPI document, made when it is asked for: the operations as `routes` has them, the schemas by pydantic.

pydantic derives them from the entities' types and docstrings. It takes some 9 MB, so it is imported with the first
request for the document, and no other request needs it (docs/adr/0018-starlette-without-fastapi.md).
"""

from __future__ import annotations

import inspect
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fleetpy import __version__
from fleetpy.schemas.v1 import ErrorResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetpy_api.routes import Operation

PATH = "/fleetpy/v1/openapi.json"

DESCRIPTION = (
    "The original fleet's API under `/fleet/v1` (and `/v1-alpha`, the same), and what it lacks under `/fleetpy/v1`."
)

_REFERENCE = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")


def openapi_document(operations: Iterable[Operation]) -> bytes:
    """The document as JSON."""
    entities: dict[str, type] = {}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, entities)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "fleet API", "version": __version__, "description": DESCRIPTION},
        "paths": paths,
        "components": {"schemas": _schemas(entities.values())},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _schemas(entities: Iterable[type]) -> dict[str, Any]:
    """The JSON schemas of entities and of those that they have in them, by name."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - see above

    schemas: dict[str, Any] = {}
    for entity in entities:
        schema = TypeAdapter(entity).json_schema(ref_template=_REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        schemas[entity.__name__] = schema
    return schemas


def _operation(operation: Operation, entities: dict[str, type]) -> dict[str, Any]:
    """An operation as the document has it; adds the entities that it refers to."""

    def content(body: Any, media_type: str) -> dict[str, Any]:
        if isinstance(body, type):
            entities[body.__name__] = body
            body = {"$ref": _REFERENCE.format(model=body.__name__)}
        return {} if body is None else {"content": {media_type: {"schema": body}}}

    good = {code: content(entity, operation.media_type) for code, entity in operation.answers.items()}
    bad = {code: content(ErrorResponse, "application/json") for code in (*operation.errors, 503)}
    name: str = operation.endpoint.__name__
    described: dict[str, Any] = {
        "summary": name.strip("_").replace("_", " ").capitalize(),
        "description": inspect.getdoc(operation.endpoint),
        "operationId": re.sub(r"\W", "_", f"{name}{operation.path}_{operation.method.lower()}"),
        "responses": {
            str(int(code)): {"description": HTTPStatus(code).phrase, **body} for code, body in (good | bad).items()
        },
    }
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.takes is not None:
        described["requestBody"] = {**content(operation.takes, "application/json"), "required": True}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(operation.path)
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "schema": dict(schema)}
        for name, schema in operation.query.items()
    ]
    return in_path + in_query
