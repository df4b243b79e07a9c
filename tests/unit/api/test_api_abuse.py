"""`fleet-api` as a process, and clients that mean it ill: all are answered, others go on, nothing is in its log."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from fleetpy_api.connection import MAX_CONNECTIONS
from fleetpy_api.front import MAX_BODY
from fleetpy_api.listen import open_socket
from tests.support.process import FLEET_API, PATIENCE, notifications, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

MOST_MEMORY = 200 * 1024
"""KiB that the process may have come to."""
HEAD = b" HTTP/1.1\r\nHost: fleet\r\n"
JSON = b"Content-Type: application/json\r\n"


class Served:
    """A `fleet-api` whose etcd is away, on a socket."""

    def __init__(self, listener: socket.socket, process: Popen[str]) -> None:
        self._listener = listener
        self._process = process

    @property
    def most_memory(self) -> int:
        """KiB that it had at the most."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

    @property
    def port(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    def connect(self) -> socket.socket:
        client = socket.socket(self._listener.family, socket.SOCK_STREAM)
        client.settimeout(PATIENCE)
        client.connect(self._listener.getsockname())
        return client

    def status(self, sent: bytes) -> int:
        """The first answer's status; the error's code must be the same."""
        with self.connect() as client:
            with suppress(BrokenPipeError, ConnectionResetError):  # It was answered before its end.
                client.sendall(sent)
            answer = b""
            while b"}}" not in answer:
                answer += client.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b'{"error": {"code": ' + head[9:12] in body
        return int(head[9:12])

    def end(self) -> str:
        """Its log."""
        self._process.send_signal(signal.SIGTERM)
        log = self._process.communicate(timeout=PATIENCE)[1]
        assert self._process.returncode == 0
        return log


@pytest.fixture(params=["unix", "tcp"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    config = tmp_path / "fleet.conf"
    config.write_text("")
    command = [*FLEET_API, "--config", str(config)]
    unix = request.param == "unix"
    with (
        open_socket(tmp_path / "s") if unix else socket.create_server(("127.0.0.1", 0)) as listener,
        notifications(tmp_path / "notify") as manager,
        running(command, manager, listener) as process,
    ):
        yield Served(listener, process)


def put(body: bytes) -> bytes:
    return b"PUT /fleet/v1/units/a.service" + HEAD + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body


REQUESTS = [
    (b"\x00\xff\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 50, 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET /" + HEAD + b"X: " + b"a" * 700_000, 431),
    (b"GET /" + HEAD + b"Host: other\r\n\r\n", 400),
    (b"GET /" + HEAD + b"X: a\0b\r\n\r\n", 400),
    (b"GET /" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 405),
    (b"CONNECT a:80" + HEAD + b"\r\n", 404),
    (b"GET http://elsewhere/metrics" + HEAD + b"\r\n", 404),
    (b"DELETE /fleet/v1/units/..%2F..%2Fetc%2Fpasswd" + HEAD + b"\r\n", 404),
    (b"DELETE /fleet/v1/units/../../etc" + HEAD + b"\r\n", 404),
    (put(b"[" * 100_000), 400),
    (put(b'{"options":' * 20_000), 400),
    (put(b'{"name":"\xff"}'), 400),
    (put(b'{"name":"\\ud800"}'), 400),
    (put(b'{"\\ud800":1}'), 400),
    (put(b'{"options":[{"section":NaN}]}'), 400),
    (put(b'{"options":' + b"9" * 5000 + b"}"), 400),
    (put(b"\0" * 100), 400),
    (put(b""), 400),
    (b"PATCH /fleet/v1/machines" + HEAD + b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000, 400),
]


def test_whatever_is_sent_is_answered_in_the_one_form_and_not_logged(served: Served) -> None:
    assert [served.status(sent) for sent, _ in REQUESTS] == [status for _, status in REQUESTS]
    for sent, _ in REQUESTS:
        # And does not wait for the answer.
        with served.connect() as client, suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(sent[: len(sent) // 2])
    assert served.status(b"GET /" + HEAD + b"\r\n") == 405
    assert served.most_memory < MOST_MEMORY
    log = served.end()
    assert "Traceback" not in log
    assert len(log.splitlines()) < 6


def test_idle_clients_beyond_number_keep_nobody_out(served: Served) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(MAX_CONNECTIONS + 50)]
        for client in clients[:100]:
            client.sendall(b"GET / HT")
        assert served.status(b"GET /" + HEAD + b"\r\n") == 405
        assert served.most_memory < MOST_MEMORY
    assert "Traceback" not in served.end()


@pytest.mark.parametrize("served", ["tcp"], indirect=True)
@pytest.mark.parametrize("size", [MAX_BODY + 1, 10 * MAX_BODY])
def test_who_sends_too_much_learns_it(served: Served, size: int) -> None:

    def chunks() -> Iterator[bytes]:
        for _ in range(size // 65536 + 1):
            yield b" " * 65536

    for content in (b" " * size, chunks()):
        answer = httpx.put(
            f"http://127.0.0.1:{served.port}/fleet/v1/units/a.service",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413
        assert f"larger than {MAX_BODY} bytes" in answer.json()["error"]["message"]
    assert served.most_memory < MOST_MEMORY
