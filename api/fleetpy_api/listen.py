"""The sockets that the API listens on: those that systemd passes (sd_listen_fds(3)), or `/run/fleet.sock` by hand.

Whoever is served by the API is root on every host. So a unix socket opened by hand is for root and its group alone, and
a TCP socket may stand on loopback only, unless clients must show a certificate (`api_cafile`), or `api_insecure_tcp`
says otherwise.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetpy.config import FleetConfig

DEFAULT_SOCKET = Path("/run/fleet.sock")
MODE = 0o660

_FIRST_FD = 3
"""SD_LISTEN_FDS_START."""
_COUNT = re.compile(r"[0-9]{1,4}")
_BACKLOG = 512


def passed_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd passed to this process, duplicated; none when it was started by hand.

    What systemd passed stays open as it is, for who runs in this process next (execve(2)).

    Raises `ConfigError` for one that cannot be served: a datagram or FIFO, or one made by `Accept=yes`.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "")
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    descriptors = range(_FIRST_FD, _FIRST_FD + (int(count) if _COUNT.fullmatch(count) else 0))
    return [
        _adopt(descriptor, names[index] if index < len(names) and names[index] else "unnamed")
        for index, descriptor in enumerate(descriptors)
    ]


def open_socket(path: Path) -> socket.socket:
    """Listen on a unix socket of our own, mode 0660; a socket that nobody answers on is replaced.

    Raises `UnavailableError` if somebody does answer, or if the place cannot be written.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The socket must not be open to all between its making and a later chmod.
    before = os.umask(0o777 & ~MODE)
    try:
        _make_way(path)
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except (OSError, UnavailableError) as error:
        listener.close()
        if isinstance(error, OSError):
            raise UnavailableError(f"cannot listen on {path}: {error.strerror or error}") from error
        raise
    finally:
        os.umask(before)
    return listener


def check_reach(listeners: Iterable[socket.socket], config: FleetConfig) -> None:
    """Raise `ConfigError` if everybody on other hosts would be served and the configuration does not say so."""
    if config.api_cafile or config.api_insecure_tcp:
        return
    for listener in listeners:
        if listener.family not in (socket.AF_INET, socket.AF_INET6):
            continue
        host, port = listener.getsockname()[:2]
        if not is_loopback(host):
            missing = "api_cafile" if config.api_certfile else "api_certfile, api_keyfile and api_cafile"
            raise ConfigError(
                f"will not listen on {host} port {port} for everybody: whoever is served is root on every host. "
                f"Set {missing} to serve clients with a certificate alone, or listen on 127.0.0.1 or ::1 and use ssh, "
                "or set api_insecure_tcp=true"
            )


def is_loopback(host: str) -> bool:
    """Whether an address, as of getsockname(2), is of this host alone."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def describe(listener: socket.socket) -> str:
    """Where a socket listens, for logs."""
    name = listener.getsockname()
    return str(name) if isinstance(name, str) else f"{name[0]} port {name[1]}"


def _adopt(descriptor: int, name: str) -> socket.socket:
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise ConfigError(f"file descriptor {descriptor} ({name}) is not a socket: use ListenStream= alone")
        listener = socket.socket(fileno=os.dup(descriptor))
        accepting = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ConfigError(f"file descriptor {descriptor} ({name}) cannot be used: {error.strerror}") from error
    if listener.type != socket.SOCK_STREAM or not accepting:
        raise ConfigError(f"socket {name} does not listen for streams: use ListenStream= and Accept=no")
    return listener


def _make_way(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UnavailableError(f"cannot listen on {path}: it exists and is not a socket; remove it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
                return
        raise UnavailableError(f"cannot listen on {path}: another process answers there; stop it first")
