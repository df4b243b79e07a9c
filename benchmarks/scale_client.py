"""Who asks and who watches: `python -m benchmarks.scale_client submit|watch SOCKET UNITS`; each prints JSON.

`submit SOCKET UNITS` starts that many units as `fleetctl start` does. `watch SOCKET UNITS` reads the stream of events,
says `ready` once it has begun, and notes when each unit is first shown to be placed and to run. Times are those of
`time.monotonic`, which all processes of a host share.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import httpx

from fleetpy.client.connection import Connection
from fleetpy.client.endpoint import TLSFiles, parse_endpoint
from fleetpy.client.own import FleetpyApi
from fleetpy.client.transport import open_http
from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy.schemas.v1 import UnitOptionEntity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READY = "ready"
PATIENCE = 120.0
"""Seconds that a request may take, and that the stream may be silent."""
OPTIONS = [
    UnitOptionEntity("Unit", "Description", "Sleeps"),
    UnitOptionEntity("Service", "ExecStart", "/bin/sleep infinity"),
]


def unit_name(number: int) -> str:
    """The name of the unit of that number: instances of one template, which share their text."""
    return f"scale@{number:06}.service"


def submit(socket: str, units: int) -> dict[str, object]:
    """Start units; when each request began, what it took, and what it cost."""
    endpoint = parse_endpoint(f"unix://{socket}")
    http = open_http(endpoint, TLSFiles(), PATIENCE)
    began: list[tuple[float, int]] = []
    http.event_hooks = {"request": [lambda request: began.append((time.monotonic(), len(request.content)))]}
    api = FleetpyApi(Connection(http, endpoint))
    api.health()
    began.clear()
    changes = [Change(unit_name(number), options=OPTIONS, desiredState="launched") for number in range(units)]
    start, cpu = time.monotonic(), time.process_time()
    done = api.change(changes)
    end = time.monotonic()
    refused = [result for result in done.results if result.status != "created"]
    assert not refused, f"{len(refused)} units were refused: {refused[0]}"
    return {"began": start, "ended": end, "cpu": time.process_time() - cpu, "requests": began}


def watch(socket: str, units: int) -> dict[str, object]:
    """Watch until all units run; when each was placed, and when it ran."""
    placed: dict[str, float] = {}
    running: dict[str, float] = {}
    events = 0
    cpu = 0.0
    transport = httpx.HTTPTransport(uds=socket)
    with (
        httpx.Client(base_url="http://localhost", transport=transport, timeout=PATIENCE) as client,
        client.stream("GET", "/fleetpy/v1/events") as stream,
    ):
        for line in _lines(stream):
            event = json.loads(line)
            if event["type"] == "synced":
                cpu = time.process_time()
                sys.stdout.write(f"{READY}\n")
                sys.stdout.flush()
            if event["type"] != "unit":
                continue
            events += 1
            unit, now = event["unit"], time.monotonic()
            if unit.get("machineID"):
                placed.setdefault(unit["name"], now)
            if any(state["active"] == "active" for state in unit.get("states", ())):
                running.setdefault(unit["name"], now)
                if len(running) == units:
                    break
    return {"placed": placed, "running": running, "events": events, "cpu": time.process_time() - cpu}


def _lines(stream: httpx.Response) -> Iterator[bytes]:
    rest = b""
    for chunk in stream.iter_raw():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


if __name__ == "__main__":
    work: dict[str, Callable[[str, int], dict[str, object]]] = {"submit": submit, "watch": watch}
    json.dump(work[sys.argv[1]](sys.argv[2], int(sys.argv[3])), sys.stdout)
