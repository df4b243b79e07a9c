"""What a client is told when the other end is not as it should be."""

from __future__ import annotations

import errno
import gc
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from fleetpy.client.client import FleetClient
from fleetpy.client.connection import Connection
from fleetpy.client.endpoint import TLSFiles, parse_endpoint
from fleetpy.client.errors import (
    ApiFailedError,
    ApiForbiddenError,
    ApiRefusedError,
    ApiTimeoutError,
    ApiUnreachableError,
    UnreadableAnswerError,
)
from fleetpy.client.transport import open_http
from fleetpy.errors import UnavailableError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[str]:
    """A server that gives every connection the same bytes, whatever it asks, and then nothing; gives the endpoint."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        connections: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


def response(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@contextmanager
def connected(endpoint: str) -> Iterator[Connection]:
    place = parse_endpoint(endpoint)
    connection = Connection(open_http(place, TLSFiles(), 10), place)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
def collected() -> Iterator[None]:
    """httpcore leaves the socket of a failed connection to the garbage collector, which is called before others may."""
    yield
    gc.collect()


unclosed_sockets_are_httpcore_s = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def ask(endpoint: str, timeout: float = 10) -> None:
    with FleetClient(endpoint, timeout=timeout) as client:
        client.machines()


@unclosed_sockets_are_httpcore_s
@pytest.mark.usefixtures("collected")
def test_a_missing_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(ApiUnreachableError, match=f"there is no socket at unix://{tmp_path}/fleet.sock"):
        ask(f"unix://{tmp_path}/fleet.sock")


@unclosed_sockets_are_httpcore_s
@pytest.mark.usefixtures("collected")
def test_a_socket_that_nobody_listens_on_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "fleet.sock"))
        with pytest.raises(ApiUnreachableError, match="nobody listens at"):
            ask(f"unix://{tmp_path}/fleet.sock")


def test_a_socket_that_this_user_may_not_open_is_told_apart() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no") from PermissionError(errno.EACCES, "Permission denied")

    with httpx.Client(transport=httpx.MockTransport(refuse), base_url="http://localhost") as http:
        connection = Connection(http, parse_endpoint("unix:///run/fleet.sock"))
        with pytest.raises(ApiForbiddenError, match="is not allowed to this user"):
            connection.send("GET", "/")


def test_a_server_that_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "fleet.sock", b"") as endpoint,
        pytest.raises(ApiTimeoutError, match=r"within 0\.1 seconds"),
    ):
        ask(endpoint, timeout=0.1)


def test_a_server_that_speaks_something_else_is_told_from_one_that_is_away(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "fleet.sock", b"SSH-2.0-OpenSSH_9.2\r\n\r\n") as endpoint,
        pytest.raises(ApiUnreachableError, match="does not answer as an HTTP server does"),
    ):
        ask(endpoint)


@unclosed_sockets_are_httpcore_s
@pytest.mark.usefixtures("collected")
def test_a_server_that_hangs_up_is_told_without_a_full_stop_of_others(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "fleet.sock"))
        listener.listen()

        def hang_up() -> None:
            listener.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        with pytest.raises(ApiUnreachableError, match=r"[a-z]$"):
            ask(f"unix://{tmp_path}/fleet.sock")
        hanging_up.join()


def test_an_answer_that_is_not_an_api_s_is_shown_in_part(tmp_path: Path) -> None:
    page = response("200 OK", b"<html>" + b"x" * 1000)
    with (
        answering(tmp_path / "fleet.sock", page) as endpoint,
        pytest.raises(UnreadableAnswerError, match="<html>") as raised,
    ):
        ask(endpoint)
    assert len(str(raised.value)) < 200


def test_a_server_that_is_no_fleet_api_is_told_so(tmp_path: Path) -> None:
    answer = response("404 Not Found\r\nConnection: close", b"404 page not found")  # as etcd answers
    with (
        answering(tmp_path / "fleet.sock", answer) as endpoint,
        pytest.raises(UnreadableAnswerError, match="is no fleet API: 404 page not found; fleetctl speaks to fleet-api"),
    ):
        ask(endpoint)


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        ("400 Bad Request", b'{"error": {"code": 400, "message": "no"}}', ApiRefusedError, "no"),
        ("503 Service Unavailable", b'{"error": {"code": 503, "message": "etcd"}}', ApiFailedError, "etcd"),
        ("500 Internal Server Error", b'{"error": {"code": 500}}', ApiFailedError, "Internal Server Error"),
        ("502 Bad Gateway", b"<html>proxy</html>", ApiFailedError, "<html>proxy</html>"),
        ("403 Forbidden", b"", ApiRefusedError, "Forbidden"),
        ("403", b"", ApiRefusedError, "no reason given"),
    ],
)
def test_an_error_s_own_words_are_passed_on(
    tmp_path: Path, status: str, body: bytes, error: type[ApiRefusedError | ApiFailedError], message: str
) -> None:
    with (
        answering(tmp_path / "fleet.sock", response(status, body)) as endpoint,
        connected(endpoint) as connection,
        pytest.raises(error) as raised,
    ):
        connection.send("GET", "/")
    assert (str(raised.value), raised.value.status) == (message, int(status[:3]))


def test_errors_tell_whose_fault_it_is() -> None:
    assert issubclass(ApiRefusedError, UserError)
    assert issubclass(ApiFailedError, UnavailableError)
    assert issubclass(ApiUnreachableError, UnavailableError)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_stream_gives_its_lines_and_ends_when_it_is_stopped(tmp_path: Path) -> None:
    answer = CHUNKED + b"d\r\nfirst\nsecond\n\r\n"
    with answering(tmp_path / "fleet.sock", answer) as endpoint, connected(endpoint) as connection:
        lines = connection.lines("/", {}, silence=60)
        seen = []
        for line in lines:
            seen.append(line)
            if line == "second":
                threading.Thread(target=lines.stop).start()
        assert seen == ["first", "second"]


def test_a_stream_that_was_stopped_before_it_began_gives_nothing(tmp_path: Path) -> None:
    answer = CHUNKED + b"6\r\nfirst\n\r\n"
    with answering(tmp_path / "fleet.sock", answer) as endpoint, connected(endpoint) as connection:
        lines = connection.lines("/", {}, silence=60)
        lines.stop()
        assert list(lines) == []


def test_a_stream_that_falls_silent_is_taken_for_dead(tmp_path: Path) -> None:
    answer = CHUNKED + b"6\r\nfirst\n\r\n"
    with answering(tmp_path / "fleet.sock", answer) as endpoint, connected(endpoint) as connection:
        lines = iter(connection.lines("/", {}, silence=0.1))
        assert next(lines) == "first"
        with pytest.raises(ApiTimeoutError, match=r"within 0\.1 seconds"):
            next(lines)


def test_a_stream_can_be_refused(tmp_path: Path) -> None:
    refusal = response("503 Service Unavailable", b'{"error": {"code": 503, "message": "too many streams"}}')
    with (
        answering(tmp_path / "fleet.sock", refusal) as endpoint,
        connected(endpoint) as connection,
        pytest.raises(ApiFailedError, match="too many streams"),
    ):
        list(connection.lines("/", {}, silence=60))
