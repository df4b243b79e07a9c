"""An original fleetd as its clients see it: `/fleet/v1` on a unix socket, backed by a cluster in memory.

The answers are those of a real one (1.0.0, two machines, etcd 3.4 with its v2 API), which was asked the same: fields
without a value are left out, an empty list too; what a machine says of a unit outlives the unit and its replacement
until the agent gets to it. Units get where they are wanted when the list of states has been asked for `settles_after`
times since, so that nothing here needs a clock.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer, TCPServer, ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from fleetpy.errors import UserError
from fleetpy.unit.file import UnitFile, UnitOption
from fleetpy.unit.name import parse_unit_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from ssl import SSLContext

M1 = "85c0c595" + "0" * 24
M2 = "113f16a7" + "0" * 24


@dataclass(slots=True)
class FakeUnit:
    """A unit as fleetd keeps it."""

    options: list[dict[str, str]]
    desired: str = "inactive"
    current: str = "inactive"
    machine: str = ""
    active: str = ""
    left: int = 0
    """How many more times the states are asked for before it is where it is wanted."""

    @property
    def hash(self) -> str:
        """The hash of the unit file."""
        return UnitFile(tuple(UnitOption(**{"value": "", **option}) for option in self.options)).hash

    @property
    def is_global(self) -> bool:
        """Whether it has `Global=true`."""
        return {"section": "X-Fleet", "name": "Global", "value": "true"} in self.options


@dataclass
class FakeFleetd:
    """The cluster, and how its server behaves."""

    machines: dict[str, str] = field(default_factory=lambda: {M1: "172.18.0.3", M2: "172.18.0.4"})
    units: dict[str, FakeUnit] = field(default_factory=dict)
    leaving: dict[str, FakeUnit] = field(default_factory=dict)
    """Units that were destroyed or replaced, and are not stopped yet."""
    failing: set[str] = field(default_factory=set)
    """Units that fail when they are started."""
    refused: set[str] = field(default_factory=set)
    """Units for which no wish is accepted."""
    unplaceable: set[str] = field(default_factory=set)
    settles_after: int = 1
    page_size: int = 100
    away: str = ""
    """If not empty: what every request is answered with, and 503."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def serving(self, path: Path) -> Iterator[str]:
        """Serve on a socket while the context lasts; gives the endpoint."""
        with _running(_UnixServer(str(path), _handler_of(self))):
            yield f"unix://{path}"

    @contextmanager
    def serving_tls(self, context: SSLContext) -> Iterator[str]:
        """Serve TLS on a loopback port while the context lasts; gives the endpoint."""
        server = _TCPServer(("127.0.0.1", 0), _handler_of(self))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with _running(server):
            yield f"https://127.0.0.1:{server.server_address[1]}"

    @contextmanager
    def serving_tcp(self) -> Iterator[str]:
        """Serve on a loopback port while the context lasts; gives the endpoint."""
        server = _TCPServer(("127.0.0.1", 0), _handler_of(self))
        with _running(server):
            yield f"http://127.0.0.1:{server.server_address[1]}"

    def add(self, name: str, text: str, state: str = "inactive", machine: str = M1) -> FakeUnit:
        """Put a unit into the cluster, already where it is wanted."""
        options = [option._asdict() for option in UnitFile.parse(text).options]
        unit = FakeUnit(options)
        self.units[name] = unit
        self._want(name, unit, state, machine, at_once=True)
        return unit

    def settle(self) -> None:
        """The states are asked for once more."""
        for name, unit in list(self.leaving.items()):
            unit.left -= 1
            if unit.left <= 0:
                del self.leaving[name]
        for name, unit in self.units.items():
            if unit.left > 0:
                unit.left -= 1
                if unit.left == 0:
                    self._arrive(name, unit)

    def entity(self, name: str) -> dict[str, Any]:
        """A unit as JSON."""
        unit = self.units[name]
        current = "" if unit.is_global else unit.current
        entity = {"currentState": current, "desiredState": unit.desired, "machineID": unit.machine, "name": name}
        return {**{field: value for field, value in entity.items() if value}, "options": unit.options}

    def states(self) -> list[dict[str, str]]:
        """All states as JSON."""
        return [
            {
                "name": name,
                "hash": unit.hash,
                "machineID": machine,
                "systemdLoadState": "loaded",
                "systemdActiveState": unit.active,
                "systemdSubState": {"active": "running", "failed": "failed"}.get(unit.active, "dead"),
            }
            for name, unit in sorted({**self.units, **self.leaving}.items())
            for machine in (self.machines if unit.is_global and unit.active else [unit.machine] if unit.machine else [])
        ]

    def put(self, name: str, body: dict[str, Any]) -> tuple[int, str]:
        """Make or change a unit: the status, and what is wrong."""
        unit, options, state = self.units.get(name), body.get("options") or [], body.get("desiredState") or ""
        wrong = self._wrong(name, body) or self._conflicting(unit, options, state)
        if wrong:
            return wrong
        if unit is not None and (not options or unit.options == options):
            if parse_unit_name(name).is_template and state != "inactive":
                return 400, f'cannot activate template "{name}"'
            self._want(name, unit, state)
            return 204, ""
        if unit is not None:
            self._leave(name, unit)
        self.units[name] = FakeUnit(options)
        self._want(name, self.units[name], state or "inactive")
        return 201, ""

    def _wrong(self, name: str, body: dict[str, Any]) -> tuple[int, str] | None:
        if body.get("name", name) != name:
            return 400, f'name in URL "{name}" differs from unit name in request body "{body["name"]}"'
        try:
            parse_unit_name(name)
        except UserError as error:
            return 400, str(error)
        return (400, f"{name} is refused") if name in self.refused else None

    def _conflicting(self, unit: FakeUnit | None, options: list[dict[str, str]], state: str) -> tuple[int, str] | None:
        if unit is None and not options:
            return 409, "unit does not exist and options field empty"
        if unit is not None and not state and options in ([], unit.options):
            return 409, "must provide DesiredState to update existing unit"
        return None

    def destroy(self, name: str) -> bool:
        """Forget a unit; whether there was one."""
        unit = self.units.pop(name, None)
        if unit is not None:
            self._leave(name, unit)
        return unit is not None

    def _leave(self, name: str, unit: FakeUnit) -> None:
        if unit.active and self.settles_after:
            unit.left = self.settles_after
            self.leaving[name] = unit

    def _want(self, name: str, unit: FakeUnit, state: str, machine: str = "", *, at_once: bool = False) -> None:
        unit.desired = state
        unit.machine = unit.machine or machine
        if at_once or self.settles_after == 0:
            self._arrive(name, unit)
        else:
            unit.left = self.settles_after

    def _arrive(self, name: str, unit: FakeUnit) -> None:
        self.leaving.pop(name, None)
        if unit.desired != "inactive" and name in self.unplaceable:
            return
        unit.current = unit.desired
        unit.machine = "" if unit.desired == "inactive" or unit.is_global else unit.machine or min(self.machines)
        launched = "failed" if name in self.failing else "active"
        unit.active = {"inactive": "", "loaded": "inactive", "launched": launched}[unit.desired]


class _Quiet(ThreadingMixIn):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle of an answer is no matter."""


class _UnixServer(_Quiet, UnixStreamServer):
    """On a unix socket."""


class _TCPServer(_Quiet, TCPServer):
    """On a TCP port."""


@contextmanager
def _running(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _filtered(states: list[dict[str, str]], query: dict[str, list[str]]) -> list[dict[str, str]]:
    for field_name, parameter in (("name", "unitName"), ("machineID", "machineID")):
        if parameter in query:
            states = [state for state in states if state[field_name] in query[parameter]]
    return states


def _handler_of(fleet: FakeFleetd) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a table of paths, spelt as branches
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "fleetd/1.0.0"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with fleet.lock:
                fleet.requests.append((self.command, self.path))
                if fleet.away:
                    self._error(503, fleet.away)
                    return
                resource, slash, name = parts.path.removeprefix("/fleet/v1/").partition("/")
                match self.command, resource, unquote(name) if slash else None:
                    case "GET", "machines", None:
                        entities = [{"id": one, "primaryIP": ip} for one, ip in sorted(fleet.machines.items())]
                        self._page("machines", entities, parts.query)
                    case "GET", "state", None:
                        fleet.settle()
                        self._page("states", _filtered(fleet.states(), parse_qs(parts.query)), parts.query)
                    case "GET", "units", None:
                        self._page("units", [fleet.entity(one) for one in sorted(fleet.units)], parts.query)
                    case _, "machines" | "state" | "units", None:
                        self._error(405, "only GET supported against this resource")
                    case "GET", "units", str(one) if one in fleet.units:
                        self._answer(200, fleet.entity(one))
                    case "PUT", "units", str(one) if one:
                        status, problem = self._put(one, content)
                        self._error(status, problem) if problem else self._answer(status, None)
                    case "DELETE", "units", str(one) if fleet.destroy(one):
                        self._answer(204, None)
                    case _:
                        self._error(404, "unit does not exist" if resource == "units" and name else "")

        do_GET = do_PUT = do_DELETE = do_POST = _serve  # noqa: N815 - http.server's names

        def _put(self, name: str, content: bytes) -> tuple[int, str]:
            if self.headers.get("Content-Type") != "application/json":
                return 415, "only acceptable Content-Type is application/json"
            try:
                return fleet.put(name, json.loads(content))
            except ValueError as error:
                return 400, f"unable to decode body: {error}"

        def _page(self, field_name: str, entities: list[dict[str, Any]], query: str) -> None:
            try:
                token = base64.b64decode(parse_qs(query).get("nextPageToken", [""])[0], validate=True)
            except binascii.Error:
                self._error(400, "illegal base64 data at input byte 0")
                return
            start = int(token or b"0")
            end = start + fleet.page_size
            page: dict[str, Any] = {field_name: entities[start:end]} if entities[start:end] else {}
            if end < len(entities):
                page["nextPageToken"] = base64.b64encode(str(end).encode()).decode()
            self._answer(200, page)

        def _error(self, status: int, message: str) -> None:
            self._answer(status, {"error": {"code": status, "message": message}})

        def _answer(self, status: int, entity: object) -> None:
            content = b"" if entity is None else json.dumps(entity).encode()
            self.send_response(status)
            if content:
                self.send_header("Content-Type", "application/json")
            if status != HTTPStatus.NO_CONTENT:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Tell nobody."""

    return Handler
