"""The API does as its OpenAPI document says, whatever it is asked (schemathesis makes the questions)."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fleetpy_api.openapi import PATH
from fleetpy_api.server import Server
from tests.unit.api.harness import M1, SLEEP, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case

EXAMPLES = 10
CHECKED = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


class Background:
    """An API on loopback, in a loop and a thread of its own."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> str:
        self._thread.start()
        self._ready.wait()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join()

    async def _serve(self) -> None:
        async with serving() as cluster:
            await cluster.join(M1)
            await cluster.set("a.service", "launched", SLEEP)
            await cluster.place("a.service", M1)
            await cluster.report("a.service", M1)
            self._server = Server(cluster.api.front, ending=cluster.api.streams.end)
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._server.run_on([self.listener])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Background() as served:
        yield served


def documented() -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with serving() as cluster:
            read: dict[str, Any] = await cluster.json(PATH)
            return read

    return asyncio.run(ask())


# The stream has no end; its tests are elsewhere.
schema = schemathesis.openapi.from_dict(documented()).exclude(path="/fleetpy/v1/events")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: Case[Any], url: str) -> None:
    case.call_and_validate(base_url=url, checks=CHECKED)
