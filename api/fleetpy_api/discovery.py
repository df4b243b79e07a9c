"""The discovery document of `/fleet/v1`: what generated clients are made from.

The form is Google's API discovery format, version 1. Resources, method ids, paths and schemas are the original's
(`schema/v1.json`), so that clients generated from it work; `rootUrl` is deliberately one that cannot be used, since
a client is told where its fleet is. Schemas are derived from the entities, so that neither can drift from the other.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from fleetpy.model.states import UnitGoal
from fleetpy.schemas.v1 import (
    MachineEntity,
    MachinePage,
    UnitEntity,
    UnitOptionEntity,
    UnitPage,
    UnitStateEntity,
    UnitStatePage,
)

_NAMES: dict[type, str] = {
    MachineEntity: "Machine",
    MachinePage: "MachinePage",
    UnitOptionEntity: "UnitOption",
    UnitEntity: "Unit",
    UnitPage: "UnitPage",
    UnitStateEntity: "UnitState",
    UnitStatePage: "UnitStatePage",
}
"""What the document calls each entity."""

_STATES = {"desiredState", "currentState"}
"""Fields that take one of the three states."""
_REQUIRED = {(UnitEntity, "machineID")}
"""Marked as required in the original's document, though never sent by a client."""

_NAME = {"unitName": {"type": "string", "location": "path", "required": True}}
_PAGE = {"nextPageToken": {"type": "string", "location": "query"}}
_FILTER = {
    "unitName": {"type": "string", "location": "query"},
    "machineID": {"type": "string", "location": "query"},
}


@cache
def discovery_document() -> bytes:
    """The document as JSON."""
    return json.dumps(_document(), indent=2).encode()


def _document() -> dict[str, Any]:
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "fleet:v1",
        "name": "schema",
        "version": "v1",
        "title": "fleet API",
        "description": "Hand systemd units to a cluster of machines, and see where and how they run.",
        "documentationLink": "/fleetpy/v1/openapi.json",
        "protocol": "rest",
        "icons": {"x16": "", "x32": ""},
        "labels": [],
        "baseUrl": "$ENDPOINT/fleet/v1/",
        "basePath": "/fleet/v1/",
        "rootUrl": "$ENDPOINT/",
        "servicePath": "fleet/v1/",
        "batchPath": "batch",
        "parameters": {},
        "auth": {},
        "schemas": {name: _schema(entity, name) for entity, name in _NAMES.items()},
        "resources": {"Machines": _machines(), "Units": _units(), "UnitState": _states()},
    }


def _machines() -> dict[str, Any]:
    listing = _method("Machine.List", "A page of the machines that are alive.", "GET", "machines", _PAGE)
    return {"methods": {"List": listing | _answers("MachinePage")}}


def _units() -> dict[str, Any]:
    path = "units/{unitName}"
    listing = _method("Unit.List", "A page of the units that the cluster knows.", "GET", "units", _PAGE)
    get = _method("Unit.Get", "One unit.", "GET", path, _NAME)
    delete = _method("Unit.Delete", "Stop a unit and forget it.", "DELETE", path, _NAME)
    put = _method("Unit.Set", "Make a unit, replace its options, or say what state it is to be in.", "PUT", path, _NAME)
    return {
        "methods": {
            "List": listing | _answers("UnitPage"),
            "Get": get | _answers("Unit"),
            "Delete": delete,
            "Set": put | {"request": {"$ref": "Unit"}},
        }
    }


def _states() -> dict[str, Any]:
    get = _method("UnitState.Get", "What systemd says of one unit.", "GET", "state/{unitName}", _NAME)
    words = "A page of what systemd says of units, of all or of those asked for."
    listing = _method("UnitState.List", words, "GET", "state", _PAGE | _FILTER)
    return {"methods": {"Get": get | _answers("UnitState"), "List": listing | _answers("UnitStatePage")}}


def _method(name: str, description: str, verb: str, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
    method = {
        "id": f"fleet.{name}",
        "description": description,
        "httpMethod": verb,
        "path": path,
        "parameters": parameters,
    }
    order = [parameter for parameter, words in parameters.items() if words.get("required")]
    return method | ({"parameterOrder": order} if order else {})


def _answers(name: str) -> dict[str, Any]:
    return {"response": {"$ref": name}}


def _schema(entity: type, name: str) -> dict[str, Any]:
    hints = get_type_hints(entity)
    properties = {}
    for field in fields(entity):
        properties[field.name] = _type(hints[field.name])
        if field.name in _STATES:
            properties[field.name]["enum"] = [goal.value for goal in UnitGoal]
        if (entity, field.name) in _REQUIRED:
            properties[field.name]["required"] = True
    return {"id": name, "type": "object", "properties": properties}


def _type(hint: Any) -> dict[str, Any]:
    if is_dataclass(hint) and isinstance(hint, type):
        return {"$ref": _NAMES[hint]}
    if get_origin(hint) is list:
        return {"type": "array", "items": _type(get_args(hint)[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "properties": {}, "additionalProperties": _type(get_args(hint)[1])}
    if hint is not str:  # pragma: no cover - a new kind of field in an entity
        raise TypeError(f"the discovery document cannot express {hint}")
    return {"type": "string"}
