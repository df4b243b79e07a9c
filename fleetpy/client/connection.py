"""Requests to one API, and everything that can go wrong with them put in words."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from fleetpy.client.errors import (
    ApiDistrustError,
    ApiFailedError,
    ApiForbiddenError,
    ApiRefusedError,
    ApiTimeoutError,
    ApiUnreachableError,
)
from fleetpy.client.httpx_lean import httpx
from fleetpy.client.wire import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetpy.client.endpoint import Endpoint

    Params = Mapping[str, str | Sequence[str]]

T = TypeVar("T")

_REFUSED = range(400, 500)
_FAILED_FROM = 400
_SHORT = 200

_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (FileNotFoundError, "there is no socket at {where}"),
    (ConnectionRefusedError, "nobody listens at {where}"),
    (PermissionError, "opening {where} is not allowed to this user; root may, and the group that owns the socket"),
    (ssl.SSLCertVerificationError, "the certificate of {where} is not to be trusted: {cause.verify_message}"),
    (ssl.SSLError, "TLS with {where} failed: {cause.reason}"),
    (socket.gaierror, "the host of {where} is unknown: {cause.strerror}"),
)
"""What is at the bottom of a failed connection, and how it is told; the first that fits."""


class Connection:
    """One API at one endpoint. May be used by several threads."""

    def __init__(self, http: httpx.Client, endpoint: Endpoint) -> None:
        self._http = http
        self.endpoint = endpoint

    def close(self) -> None:
        """Close what is open."""
        self._http.close()

    def get(self, kind: type[T], path: str, params: Params | None = None) -> T:
        """Ask for an entity."""
        return decode(kind, self.send("GET", path, params=params).content)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json_body: bytes | None = None,
    ) -> httpx.Response:
        """Send a request and take the whole answer.

        Raises `ApiRefusedError`, `ApiFailedError`, `ApiTimeoutError` or `ApiUnreachableError`.
        """
        headers = {} if json_body is None else {"Content-Type": "application/json"}
        with self._in_words(self._http.timeout.read):
            response = self._http.request(method, path, params=params, content=json_body, headers=headers)
        _check(response)
        return response

    def lines(self, path: str, params: Params, silence: float) -> LineStream:
        """Lines of an answer that goes on; more than `silence` seconds without any is `ApiTimeoutError`."""
        return LineStream(self, path, params, silence)

    @contextmanager
    def open_stream(self, path: str, params: Params, silence: float) -> Iterator[httpx.Response]:
        """An answer that is read as it comes."""
        usual = self._http.timeout
        timeout = httpx.Timeout(connect=usual.connect, read=silence, write=usual.write, pool=usual.pool)
        with self._in_words(silence), self._http.stream("GET", path, params=params, timeout=timeout) as response:
            if response.status_code >= _FAILED_FROM:
                response.read()
            _check(response)
            yield response

    @contextmanager
    def _in_words(self, patience: float | None) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise ApiTimeoutError(f"{self.endpoint.text} gave no answer within {patience:g} seconds") from error
        except httpx.TransportError as error:
            raise _told(self.endpoint, error) from error


class LineStream:
    """The lines of one answer that goes on for ever; another thread may stop it."""

    def __init__(self, connection: Connection, path: str, params: Params, silence: float) -> None:
        self._connection = connection
        self._path = path
        self._params = params
        self._silence = silence
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._stopped = False

    def __iter__(self) -> Iterator[str]:
        try:
            with self._connection.open_stream(self._path, self._params, self._silence) as response:
                if not self._remember(response):
                    return
                try:
                    yield from response.iter_lines()
                finally:
                    self._forget()
        except ApiUnreachableError:
            if not self._stopped:
                raise

    def stop(self) -> None:
        """End the iteration, whichever thread is in it."""
        with self._lock:
            self._stopped = True
            if self._socket is not None:
                # What reads from it sees the end; closing it instead could hit a file descriptor's next owner.
                _shut_down(self._socket)

    def _remember(self, response: httpx.Response) -> bool:
        stream = response.extensions.get("network_stream")
        with self._lock:
            self._socket = stream.get_extra_info("socket") if stream is not None else None
            return not self._stopped

    def _forget(self) -> None:
        with self._lock:
            self._socket = None


def _shut_down(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was first


def _check(response: httpx.Response) -> None:
    if response.status_code < _FAILED_FROM:
        return
    error = _error_class(response.status_code)
    raise error(response.status_code, _message(response))


def _error_class(status: int) -> type[ApiRefusedError | ApiFailedError]:
    return ApiRefusedError if status in _REFUSED else ApiFailedError


def _message(response: httpx.Response) -> str:
    """What the API says is wrong; the original leaves it out of many an answer."""
    try:
        message = json.loads(response.content)["error"].get("message")
    except (ValueError, LookupError, TypeError, AttributeError):
        message = response.text.strip()[:_SHORT]
    words = str(message) if message else response.reason_phrase
    return words or "no reason given"


def _told(endpoint: Endpoint, error: httpx.TransportError) -> ApiUnreachableError:
    """What went wrong at the bottom of it, and with which endpoint."""
    cause = _root_cause(error)
    for kind, words in _CAUSES:
        if isinstance(cause, kind):
            return _blame(cause)(words.format(where=endpoint.text, cause=cause))
    hung_up = isinstance(error, httpx.ReadError | httpx.WriteError) or "without sending a response" in str(error)
    if hung_up and endpoint.is_encrypted:
        # Often all that a server does with a certificate that it refuses: in TLS 1.3 the client is through by then.
        words = f"hung up ({_words(cause)}): it may not accept the certificate that it was shown, or want one"
        return ApiDistrustError(f"{endpoint.text} {words}")
    if isinstance(error, httpx.ProtocolError):
        return ApiUnreachableError(f"{endpoint.text} does not answer as an HTTP server does: {_words(error)}")
    return ApiUnreachableError(f"the connection to {endpoint.text} failed: {_words(cause)}")


def _blame(cause: BaseException) -> type[ApiUnreachableError]:
    if isinstance(cause, ssl.SSLError):
        return ApiDistrustError
    return ApiForbiddenError if isinstance(cause, PermissionError) else ApiUnreachableError


def _words(error: BaseException) -> str:
    """What an error of others' says, without a full stop: it goes into a sentence of ours."""
    return str(error).rstrip(".") or type(error).__name__


def _root_cause(error: BaseException) -> BaseException:
    while True:
        deeper = error.__cause__ or error.__context__
        if deeper is None:
            return error
        error = deeper
