"""`fleet-api` as a process before a real etcd: batches within its limits, and what is said while it is away."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.keys import Keys
from tests.support.etcd import EtcdServer
from tests.support.process import FLEET_API, PATIENCE, notifications, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fleetpy.registry.protocol import Entry

SLEEP = {"section": "Service", "name": "ExecStart", "value": "/bin/sleep infinity"}
FLEETCTL = [sys.executable, "-c", "import sys; from fleetpy_cli.main import main; sys.exit(main())"]
SILENT = 2.5
"""Seconds for which etcd hangs: more than twice `etcd_request_timeout`."""


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


@contextmanager
def silent_for(etcd: EtcdServer, seconds: float) -> Iterator[None]:
    """etcd hangs from now on, and goes on after this time."""
    etcd.freeze()
    timer = threading.Timer(seconds, etcd.thaw)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def fleetctl(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [*FLEETCTL, "--endpoint", f"unix://{tmp_path}/fleet.sock", *arguments]
    return subprocess.Popen(  # noqa: S603 - the test's own command
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def write_units(tmp_path: Path, count: int) -> list[str]:
    names = [f"bench-{number:04}.service" for number in range(count)]
    for name in names:
        (tmp_path / name).write_text("[Service]\nExecStart=/bin/sleep infinity\n")
    return names


async def stored(etcd: EtcdServer) -> list[Entry]:
    """What etcd has of units."""
    registry = connect(EtcdSettings(endpoints=(etcd.url,)))
    try:
        return list((await registry.page(Keys().units, limit=10_000)).entries)
    finally:
        await registry.close()


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


async def test_a_batch_during_which_etcd_is_silent_is_written_whole_and_once(etcd: EtcdServer, tmp_path: Path) -> None:
    changes = [create(f"web@{number:03}.service") for number in range(600)]
    with served(etcd, tmp_path) as http:
        with silent_for(etcd, SILENT):
            answer = http.post("/fleetpy/v1/changes", json={"changes": changes})
        assert {result["status"] for result in answer.json()["results"]} == {"created"}
        units = await stored(etcd)
    assert len(units) == 600
    assert all(unit.create_revision == unit.mod_revision for unit in units)


async def test_fleetctl_only_takes_longer_when_etcd_is_silent_in_the_middle_of_many_units(
    etcd: EtcdServer, tmp_path: Path
) -> None:
    names = write_units(tmp_path, 2000)
    with served(etcd, tmp_path) as http:
        process = fleetctl(tmp_path, "start", "--no-block", *names)
        while not http.get("/fleetpy/v1/units").json()["units"]:
            assert process.poll() is None
        with silent_for(etcd, SILENT):
            said, complaints = process.communicate(timeout=PATIENCE)
        assert (process.returncode, complaints) == (0, "")
        assert said.count("Triggered unit") == len(names)
        units = await stored(etcd)
        assert [unit.key.removeprefix(Keys().units) for unit in units] == names
        assert all(unit.create_revision == unit.mod_revision for unit in units)

        process = fleetctl(tmp_path, "destroy", "--no-block", *names)
        while len(http.get("/fleetpy/v1/units").json()["units"]) == len(names):
            assert process.poll() is None
        with silent_for(etcd, SILENT):
            _, complaints = process.communicate(timeout=PATIENCE)
        assert (process.returncode, complaints) == (0, "")
        assert not await stored(etcd)


def test_an_etcd_that_stays_silent_is_reported_within_the_time_a_person_waits(etcd: EtcdServer, tmp_path: Path) -> None:
    names = write_units(tmp_path, 300)
    with served(etcd, tmp_path):
        etcd.freeze()
        began = time.monotonic()
        process = fleetctl(tmp_path, "start", *names)
        _, complaints = process.communicate(timeout=PATIENCE)
        took = time.monotonic() - began
        etcd.thaw()
    assert process.returncode == 1
    assert etcd.url in complaints
    assert "tried again for 7 s" in complaints
    assert took < 15
