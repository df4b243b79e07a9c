"""What daemons do not import at their start: memory on every host, and time until they are there.

What each import costs is in docs/adr/0015-msgspec-in-the-registry.md; `python -m benchmarks idle` measures the daemons.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

NOWHERE = {"cysystemd", "difflib", "docker", "fleetpy.client", "httpx", "rich", "tenacity", "unittest", "yaml"}
"""What no daemon has a use for, or only when something is wrong."""
SERVERS = {"http.server", "opentelemetry", "prometheus_client", "pydantic", "starlette", "uvicorn"}


def imported(module: str) -> set[str]:
    """The modules that are there once this one is."""
    program = f"import sys, {module}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    return set(said.stdout.split())


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("fleetpy_agent.main", NOWHERE | SERVERS | {"click", "email", "importlib.metadata", "multiprocessing"}),
        ("fleetpy_scheduler.main", NOWHERE | SERVERS - {"http.server", "prometheus_client"} | {"click", "dbus_fast"}),
        ("fleetpy_api.main", NOWHERE | {"dbus_fast", "opentelemetry.sdk", "pydantic"}),
        (
            "fleetpy_agent.lease_guard",
            NOWHERE | SERVERS | {"asyncio", "grpc", "logging", "msgspec", "ssl", "subprocess"},
        ),
    ],
    ids=["agent", "scheduler", "api", "lease"],
)
def test_a_daemon_imports_only_what_it_uses(module: str, unwanted: set[str]) -> None:
    there = imported(module)
    assert module in there
    assert not there & unwanted
