"""The discovery document describes the original's API, method by method."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetpy_api.discovery import discovery_document


@pytest.fixture
def document() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(discovery_document())
    return read


METHODS = {
    "fleet.Machine.List": ("GET", "machines", None, "MachinePage"),
    "fleet.Unit.List": ("GET", "units", None, "UnitPage"),
    "fleet.Unit.Get": ("GET", "units/{unitName}", None, "Unit"),
    "fleet.Unit.Delete": ("DELETE", "units/{unitName}", None, None),
    "fleet.Unit.Set": ("PUT", "units/{unitName}", "Unit", None),
    "fleet.UnitState.Get": ("GET", "state/{unitName}", None, "UnitState"),
    "fleet.UnitState.List": ("GET", "state", None, "UnitStatePage"),
}


def test_the_methods_are_the_originals(document: dict[str, Any]) -> None:
    found = {
        method["id"]: (
            method["httpMethod"],
            method["path"],
            method.get("request", {}).get("$ref"),
            method.get("response", {}).get("$ref"),
        )
        for resource in document["resources"].values()
        for method in resource["methods"].values()
    }
    assert found == METHODS


def test_every_reference_has_its_schema(document: dict[str, Any]) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if "$ref" in value else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    assert references(document) <= set(document["schemas"])


def test_a_unit_has_the_originals_fields(document: dict[str, Any]) -> None:
    states = {"type": "string", "enum": ["inactive", "loaded", "launched"]}
    assert document["schemas"]["Unit"] == {
        "id": "Unit",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "options": {"type": "array", "items": {"$ref": "UnitOption"}},
            "desiredState": states,
            "currentState": states,
            "machineID": {"type": "string", "required": True},
        },
    }


def test_metadata_is_a_map_of_texts(document: dict[str, Any]) -> None:
    metadata = document["schemas"]["Machine"]["properties"]["metadata"]
    assert metadata == {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}


def test_path_parameters_stand_in_order(document: dict[str, Any]) -> None:
    assert document["resources"]["Units"]["methods"]["Get"]["parameterOrder"] == ["unitName"]


def test_a_client_must_be_told_where_its_fleet_is(document: dict[str, Any]) -> None:
    assert document["rootUrl"] == "$ENDPOINT/"
