"""Every error has the one form, and every path says what can be asked of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import Response

from fleetpy import __version__
from fleetpy_api.errors import LONGEST_MESSAGE
from fleetpy_api.front import MAX_BATCH_BODY, MAX_BODY
from tests.unit.api.harness import SLEEP, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from starlette.requests import Request

pytestmark = pytest.mark.looptime

V1 = ("/fleet/v1", "/v1-alpha")


def check(answer: httpx.Response, code: int) -> str:
    """The message of an error that has the one form."""
    assert answer.status_code == code
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Server"] == f"fleetpy/{__version__}"
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["code"] == code
    message: str = body["error"]["message"]
    assert message
    return message


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", *V1, "/fleetpy/v1"])
async def test_a_branch_itself_is_405(path: str, method: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask(method, path)
        assert answer.headers["Allow"] == ""
        assert method == "HEAD" or f"nothing can be asked of {path} itself" in check(answer, 405)


@pytest.mark.parametrize(
    "path",
    ["/bogus", "/fleet", "/fleet/v1/", "/fleet/v2/units", "/docs", "/redoc", "/openapi.json"]
    + [f"{prefix}{rest}" for prefix in V1 for rest in ("/units/", "/units/a/b", "/state/", "/bogus", "/machines/")],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_what_is_not_there_is_404(path: str, method: str) -> None:
    async with serving() as cluster:
        assert check(await cluster.ask(method, path), 404) == f"there is nothing at {path}"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{prefix}{rest}", allowed)
        for prefix in V1
        for rest, allowed in (
            ("/units", "GET"),
            ("/units/a.service", "DELETE, GET, PUT"),
            ("/state", "GET"),
            ("/state/a.service", "GET"),
            ("/machines", "GET, PATCH"),
            ("/discovery", "GET"),
        )
    ]
    + [
        ("/fleetpy/v1/changes", "POST"),
        ("/fleetpy/v1/units", "GET"),
        ("/fleetpy/v1/units/a.service/explain", "GET"),
        ("/fleetpy/v1/machines", "GET"),
        ("/fleetpy/v1/machines/abc", "PATCH"),
        ("/fleetpy/v1/events", "GET"),
        ("/fleetpy/v1/health", "GET"),
        ("/metrics", "GET"),
    ],
)
async def test_a_wrong_method_is_405_with_the_right_ones(path: str, allowed: str) -> None:
    async with serving() as cluster:
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "BREW"} - set(allowed.split(", ")):
            answer = await cluster.ask(method, path)
            words = " and ".join(allowed.split(", "))
            assert check(answer, 405) == f"only {words} can be asked of {path}"
            assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", [f"{prefix}/discovery" for prefix in V1])
async def test_the_discovery_document_is_served(path: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask("GET", path)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["id"] == "fleet:v1"


async def test_metrics_are_served_and_count() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.ask("BREW", "/")
        answer = await cluster.ask("GET", "/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain")
        for line in (
            'fleet_api_request_count_total{code="201",method="PUT"} 1.0',
            'fleet_api_request_count_total{code="405",method="other"} 1.0',
            'fleet_registry_operation_count_total{type="set"} 1.0',
            "fleet_cluster_units 1.0",
            "fleet_cluster_machines 0.0",
            "fleet_api_live 1.0",
        ):
            assert line in answer.text.splitlines()


@pytest.mark.parametrize(
    ("path", "limit"), [("/fleet/v1/units/a.service", MAX_BODY), ("/fleetpy/v1/changes", MAX_BATCH_BODY)]
)
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_413(path: str, limit: int, *, declared: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(limit // 65536 + 1):
            yield b" " * 65536

    async with serving() as cluster:
        content: Any = b" " * (limit + 1) if declared else chunks()
        method = "POST" if path.endswith("changes") else "PUT"
        answer = await cluster.ask(method, path, content=content, headers={"Content-Type": "application/json"})
        assert f"larger than {limit} bytes" in check(answer, 413)
        assert answer.headers["Connection"] == "close"


async def test_a_message_quotes_only_so_much_of_what_was_sent() -> None:
    async with serving() as cluster:
        for path in (f"/fleet/v1/units/{'a' * 50_000}", f"/fleet/v1/units?nextPageToken={'A' * 50_000}"):
            answer = await cluster.ask("GET", path)
            assert len(check(answer, answer.status_code)) <= LONGEST_MESSAGE + 1


async def test_a_defect_is_500_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as cluster:

        async def broken(_request: Request) -> Response:
            raise RuntimeError("secret")

        cluster.api.app.add_route("/broken", broken)
        answer = await cluster.ask("GET", "/broken")
        assert check(answer, 500) == "fleet-api has a defect; its log has the details"
        (record,) = [record for record in caplog.records if record.name == "fleetpy_api.errors"]
        assert record.getMessage() == "GET /broken failed by a defect of fleet-api"
        assert record.exc_info is not None


async def test_a_request_is_open_until_its_answer_is_sent() -> None:
    async with serving() as cluster:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow(_request: Request) -> Response:
            entered.set()
            await leave.wait()
            return Response()

        cluster.api.app.add_route("/slow", slow)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(cluster.ask("GET", "/slow"))
            await entered.wait()
            assert cluster.api.activity.open == 1
            leave.set()
        assert (asking.result().status_code, cluster.api.activity.open) == (200, 0)
