"""`--tunnel`: the way to a cluster through SSH.

OpenSSH connects and authenticates once, as a master in the background (ControlMaster in ssh_config(5)); whatever else
goes through the tunnel is a session of that connection. For the API there is a unix socket here in a directory that
only this user can enter: each connection to it becomes the standard input and output of an ssh, which

* for an endpoint that is a socket runs `fleetctl fd-forward SOCKET` on the far side, as the original does;
* for one of TCP has the far side connect to it (`ssh -W`), TLS inside of that being ours.

Nothing is copied by us. The master leaves by itself when nothing used it for `IDLE` seconds, so that a fleetctl that
was killed leaves nothing behind; a session that finds no master connects anew.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from fleetpy.client.endpoint import Route
from fleetpy.errors import UnavailableError
from fleetpy_cli.openssh import SSH_FAILED, Destination, OpenSSH, missing, parse_destination, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.client.endpoint import Endpoint
    from fleetpy_cli.session import Session

IDLE = 30
"""Seconds without use after which the connection ends by itself."""

_FAREWELL = 2.0
"""Seconds that an ssh gets to end."""

_PORTS = {"http": 80, "https": 443}


def tunnel_of(session: Session) -> Tunnel:
    """The session's tunnel, opened now if it is not yet; closed when the session ends."""
    if session.opened_tunnel is None:
        tunnel = Tunnel(session)
        session.closing.callback(tunnel.close)
        session.closing.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _end))
        tunnel.open()
        session.opened_tunnel = tunnel
    return session.opened_tunnel


def _end(number: int, _frame: object) -> NoReturn:
    """End by a signal, but close what is open."""
    sys.exit(128 + number)


class Tunnel:
    """An SSH connection to a host through which others are reached."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ssh = OpenSSH(session)
        self.gateway: Destination = parse_destination(session.tunnel, session.ssh_username)
        self._folder = Path(tempfile.mkdtemp(prefix="fleetctl-"))
        self._shared = ("-o", f"ControlPath={str(self._folder / 'master').replace('%', '%%')}")
        self._listeners: list[_Listener] = []

    def open(self) -> None:
        """Connect; ssh asks the user what it has to ask. Raises `UnavailableError` when that fails."""
        master = ("-o", "ControlMaster=yes", "-o", f"ControlPersist={IDLE}")
        code = self._call([*self._plain(*master, remote=["true"])])
        if code == SSH_FAILED:
            raise UnavailableError(
                f"the tunnel through {self.gateway} could not be opened; ssh said why. "
                "--ssh-username says who to be there, --ssh-timeout how long it may take"
            )

    def route_to(self, endpoint: Endpoint) -> Route:
        """A route to the API at an endpoint as the far side sees it."""
        if endpoint.socket is not None:
            command = self._plain(remote=[f"fleetctl fd-forward {shlex.quote(endpoint.socket)}"])
        else:
            parts = urlsplit(endpoint.url)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            command = self._plain("-W", f"{host}:{parts.port or _PORTS[parts.scheme]}")
        told(self._session, command)
        path = self._folder / f"api{len(self._listeners)}"
        self._listeners.append(_Listener(path, command))
        return Route(str(path), f"through {self.gateway}")

    def proxy_option(self) -> str:
        """The ssh option that reaches another host through the tunnel."""
        words = [*self._plain("-W", "[%h]:%p")]
        return f"ProxyCommand={shlex.join(word if word == '[%h]:%p' else word.replace('%', '%%') for word in words)}"

    def close(self) -> None:
        """End every connection."""
        for listener in self._listeners:
            listener.close()
        if (self._folder / "master").exists():
            self._call(["ssh", *self._shared, "-q", "-O", "exit", "--", self.gateway.host], quiet=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _plain(self, *options: str, remote: Sequence[str] = ()) -> list[str]:
        """An ssh to the gateway that does this and nothing else that the user's configuration has for that host."""
        plain = ("-T", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none")
        return self._ssh.command(self.gateway, *plain, *self._shared, *options, remote=remote)

    def _call(self, command: Sequence[str], *, quiet: bool = False) -> int:
        told(self._session, command)
        silent = subprocess.DEVNULL
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and words of ours or after `--`
                command, check=False, stdin=silent, stdout=silent, stderr=silent if quiet else None
            )
        except OSError as error:
            raise missing(command[0], error) from error
        return done.returncode


class _Listener:
    """A socket whose connections are each the standard input and output of a program of their own."""

    def __init__(self, path: Path, command: Sequence[str]) -> None:
        self._command = command
        self._processes: list[subprocess.Popen[bytes]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._accept, name="tunnel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections, and end those that there are."""
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._socket.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(_FAREWELL)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with connection:
                self._processes = [process for process in self._processes if process.poll() is None]
                both = connection.fileno()
                try:
                    started = subprocess.Popen(self._command, stdin=both, stdout=both)  # noqa: S603 - as above
                except OSError:
                    continue  # whoever connected sees the end of it
                self._processes.append(started)
