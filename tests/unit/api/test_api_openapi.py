"""The OpenAPI document tells the truth."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from fleetpy_api.openapi import PATH
from tests.unit.api.harness import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.looptime


async def document() -> dict[str, Any]:
    async with serving() as cluster:
        read: dict[str, Any] = await cluster.json(PATH)
        return read


def operations(read: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in read["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


async def test_it_has_every_route_once() -> None:
    found = {(method, path) for path, method, _ in operations(await document())}
    assert found == {
        ("GET", "/fleet/v1/units"),
        ("GET", "/fleet/v1/units/{name}"),
        ("PUT", "/fleet/v1/units/{name}"),
        ("DELETE", "/fleet/v1/units/{name}"),
        ("GET", "/fleet/v1/state"),
        ("GET", "/fleet/v1/state/{name}"),
        ("GET", "/fleet/v1/machines"),
        ("PATCH", "/fleet/v1/machines"),
        ("GET", "/fleet/v1/discovery"),
        ("POST", "/fleetpy/v1/changes"),
        ("GET", "/fleetpy/v1/units"),
        ("GET", "/fleetpy/v1/units/{name}/explain"),
        ("GET", "/fleetpy/v1/machines"),
        ("PATCH", "/fleetpy/v1/machines/{machine}"),
        ("GET", "/fleetpy/v1/events"),
        ("GET", "/fleetpy/v1/brake"),
        ("POST", "/fleetpy/v1/brake/release"),
        ("GET", "/fleetpy/v1/health"),
        ("GET", "/metrics"),
    }


async def test_every_reference_leads_somewhere() -> None:
    read = await document()
    references = set(re.findall(r"'\$ref': '([^']+)'", str(read)))
    assert references
    for reference in references:
        _, components, schemas, name = reference.split("/")
        assert name in read[components][schemas]


async def test_no_answer_is_422_and_every_error_has_the_one_form() -> None:
    for path, method, operation in operations(await document()):
        for status, answer in operation["responses"].items():
            assert status != "422", (method, path)
            if status.startswith(("4", "5")):
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorResponse"}, (method, path, status)


async def test_operations_have_ids_of_their_own() -> None:
    ids = [operation["operationId"] for _, _, operation in operations(await document())]
    assert len(set(ids)) == len(ids)


async def test_the_stream_is_lines_of_events() -> None:
    read = await document()
    (content,) = read["paths"]["/fleetpy/v1/events"]["get"]["responses"]["200"]["content"].items()
    assert content == ("application/x-ndjson", {"schema": {"$ref": "#/components/schemas/Event"}})
    assert "synced" in read["components"]["schemas"]["Event"]["description"]
