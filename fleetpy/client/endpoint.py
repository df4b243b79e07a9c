"""Where an API listens, and with which certificates: what is said on a command line. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fleetpy.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_ENDPOINT = "unix:///run/fleet.sock"

DEFAULT_TIMEOUT = 10.0
"""Seconds that one request may take. The original's 3 would be too few for an API that its socket starts only now."""

_SOCKET_SCHEMES = frozenset({"unix", "file"})
_HTTP_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API listens: as it was given, the URL that requests build on, and the socket's path if it is one."""

    text: str
    url: str
    socket: str | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken there."""
        return self.url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Route:
    """A way to an endpoint that is not the direct one: the path of a socket here that leads there, and its words."""

    socket: str
    words: str
    """As in a sentence, behind the endpoint: `through core@192.0.2.1`."""


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Paths of PEM files: whom to trust (None: the system's certificates), and who we are."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __bool__(self) -> bool:
        return any((self.ca, self.cert, self.key))


def parse_endpoint(text: str) -> Endpoint:
    """Read `unix:///path`, `file:///path`, `http://host:port` or `https://host:port`; raises `UsageError`."""
    if "," in text:
        raise UsageError(f"endpoint {text!r} names several places; give one of them")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"endpoint {text!r} cannot be read: {error}") from error
    if parts.scheme in _SOCKET_SCHEMES:
        if parts.netloc:
            wanted = f"{parts.scheme}:///{parts.netloc}{parts.path}"
            raise UsageError(f"endpoint {text!r} names a host, {parts.netloc!r}; a socket has three slashes: {wanted}")
        if not parts.path.startswith("/"):
            raise UsageError(f"endpoint {text!r} needs the socket's full path, as in {DEFAULT_ENDPOINT}")
        return Endpoint(text, "http://localhost", parts.path)
    if parts.scheme in _HTTP_SCHEMES:
        if not parts.hostname or port == 0:
            raise UsageError(f"endpoint {text!r} needs a host, as in {parts.scheme}://192.0.2.1:49153")
        return Endpoint(text, f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}")
    if text.startswith("/"):
        raise UsageError(f"endpoint {text!r} has no scheme; for a socket write unix://{text}")
    raise UsageError(
        f"endpoint {text!r} has no scheme that fleetctl knows; write unix:///PATH, http://HOST:PORT or https://HOST:PORT"
    )
