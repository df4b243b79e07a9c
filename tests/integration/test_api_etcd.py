"""`fleet-api` as a process before a real etcd: batches within its limits, and what is said while it is away."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.etcd import EtcdServer
from tests.support.process import FLEET_API, PATIENCE, notifications, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLEEP = {"section": "Service", "name": "ExecStart", "value": "/bin/sleep infinity"}


@pytest.fixture
def etcd() -> Iterator[EtcdServer]:
    with EtcdServer(in_memory=False) as server:
        yield server


@contextmanager
def served(etcd: EtcdServer, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a fleet-api process, which must end well and without a traceback."""
    (tmp_path / "fleet.conf").touch()
    path = tmp_path / "fleet.sock"
    command = [*FLEET_API, "--config", str(tmp_path / "fleet.conf"), "--socket", str(path)]
    transport = httpx.HTTPTransport(uds=str(path))
    with (
        notifications(tmp_path / "notify") as manager,
        running(command, manager, FLEET_ETCD_SERVERS=etcd.url) as process,
        httpx.Client(transport=transport, base_url="http://fleet", timeout=PATIENCE) as http,
    ):
        until(http, 200)
        yield http
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert "Traceback" not in log


def until(http: httpx.Client, status: int) -> httpx.Response:
    """Ask for health until it is so."""
    deadline = time.monotonic() + PATIENCE
    while (answer := http.get("/fleetpy/v1/health")).status_code != status:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)  # Another process is awaited, which has no event to wait for.
    return answer


def create(name: str, *options: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "desiredState": "launched", "options": [SLEEP, *options]}


def test_the_largest_batch_is_taken_whole_and_seen_at_once(etcd: EtcdServer, tmp_path: Path) -> None:
    with served(etcd, tmp_path) as http:
        names = [f"web@{number:04}.service" for number in range(5000)]
        answer = http.post("/fleetpy/v1/changes", json={"changes": [create(name) for name in names]})
        assert {result["status"] for result in answer.json()["results"]} == {"created"}
        page = http.get("/fleetpy/v1/units").json()
        assert page["revision"] >= answer.json()["revision"]
        assert [unit["name"] for unit in page["units"]] == names


def test_units_as_large_as_they_may_be_are_within_etcds_limits(etcd: EtcdServer, tmp_path: Path) -> None:
    with served(etcd, tmp_path) as http:
        padding = [{"section": "Unit", "name": "X-Padding", "value": "x" * 1900}] * 100
        changes = [
            create(f"big{number}.service", *padding, {"section": "Unit", "name": "Description", "value": str(number)})
            for number in range(20)
        ]
        answer = http.post("/fleetpy/v1/changes", json={"changes": changes})
        assert {result["status"] for result in answer.json()["results"]} == {"created"}


def test_while_etcd_is_down_reads_go_on_and_writes_say_so_and_then_all_is_well(
    etcd: EtcdServer, tmp_path: Path
) -> None:
    with served(etcd, tmp_path) as http:
        assert http.put("/fleet/v1/units/a.service", json=create("a.service")).status_code == 201
        etcd.kill()
        assert until(http, 503).json()["error"]["message"]
        refused = http.put("/fleet/v1/units/a.service", json={"desiredState": "loaded"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, 503)
        shown = http.get("/fleet/v1/units/a.service")
        assert shown.json()["desiredState"] == "launched"
        assert "etcd is away" in shown.headers["Warning"]
        etcd.start_again()
        until(http, 200)
        assert http.put("/fleet/v1/units/a.service", json={"desiredState": "loaded"}).status_code == 204
        shown = http.get("/fleet/v1/units/a.service")
        assert (shown.json()["desiredState"], "Warning" in shown.headers) == ("loaded", False)
