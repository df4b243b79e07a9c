"""The OpenAPI document: what FastAPI derives from the routes, put right where that would be untrue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetpy.model.limits import MAX_METADATA_VALUE
from fleetpy.schemas.fleetpy_v1 import (
    Brake,
    ChangeResults,
    Event,
    Explanation,
    Health,
    MachineStatusList,
    UnitStatusPage,
)
from fleetpy.schemas.v1 import ErrorResponse, MachinePage, UnitEntity, UnitPage, UnitStateEntity, UnitStatePage
from fleetpy_api.answers import adapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

PATH = "/fleetpy/v1/openapi.json"

_ANSWERS = (
    ErrorResponse,
    UnitPage,
    UnitEntity,
    UnitStatePage,
    UnitStateEntity,
    MachinePage,
    ChangeResults,
    UnitStatusPage,
    Brake,
    Explanation,
    MachineStatusList,
    Event,
    Health,
)
"""The entities that answers have."""

_REFERENCE = "#/components/schemas/{model}"
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
_PATH_OF_KEY = {"type": "string", "pattern": r"^/[A-Za-z0-9_.-]{1,64}/metadata/[A-Za-z0-9_.-]{1,128}$"}
_PATCH = {
    "type": "array",
    "items": {
        "oneOf": [
            {
                "type": "object",
                "required": ["op", "path", "value"],
                "properties": {
                    "op": {"type": "string", "enum": ["add", "replace"]},
                    "path": _PATH_OF_KEY,
                    "value": {"type": "string", "minLength": 1, "maxLength": MAX_METADATA_VALUE},
                },
            },
            {
                "type": "object",
                "required": ["op", "path"],
                "properties": {"op": {"type": "string", "enum": ["remove"]}, "path": _PATH_OF_KEY},
            },
        ]
    },
}


def install_openapi(app: FastAPI) -> None:
    """Have the application's document put right."""
    derive: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _put_right(derive())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _put_right(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    # What FastAPI answers with 422 is 400 here, in the one form of all errors.
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    for entity in _ANSWERS:
        schema = adapter(entity).json_schema(ref_template=_REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        schemas[entity.__name__] = schema
    # Its body is read without FastAPI.
    document["paths"]["/fleet/v1/machines"]["patch"]["requestBody"] = {
        "content": {"application/json": {"schema": _PATCH}},
        "required": True,
    }
    return document
