"""What the page on the API leaves out is not there."""

from __future__ import annotations

import re
from pathlib import Path

from fleetpy.registry.memory import MemoryRegistry, MemoryStore
from fleetpy_api.assembly import Api
from fleetpy_api.metrics import Metrics
from fleetpy_api.openapi import PATH
from fleetpy_scheduler.metrics import EngineMetrics
from tests.unit.api.harness import KEYS, WallClock, serving

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


def api() -> Api:
    return Api(MemoryRegistry(MemoryStore()), KEYS, token_limit=100, clock=lambda: 0.0, now=WallClock())


async def test_the_page_names_every_resource() -> None:
    async with serving() as cluster:
        document = await cluster.json(PATH)
    for path, methods in document["paths"].items():
        words = re.sub(r"^/(fleet|fleetpy)/v1", "", path).replace("{name}", "NAME").replace("{machine}", "ID")
        for method in methods:
            assert re.search(rf"`{method.upper()} {re.escape(words)}\b", PAGE), f"{method.upper()} {path}"


def test_the_page_names_every_metric() -> None:
    told = Metrics().text() + EngineMetrics().text()
    for name in re.findall(r"^# TYPE (fleet_\w+)", told.decode(), re.MULTILINE):
        if not name.endswith("_created"):
            shortened = re.sub(r"^fleet_(registry_operation|engine_reconcile)_", "…_", name)
            assert f"`{name}`" in PAGE or f"`{shortened}`" in PAGE, name
