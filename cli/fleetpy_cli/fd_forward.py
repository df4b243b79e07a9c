"""`fd-forward`: what a `--tunnel` runs on its far side, the original's as well as ours."""

from __future__ import annotations

import os
import select
import socket
import threading

import click

from fleetpy.errors import UnavailableError
from fleetpy_cli.options import FleetCommand

_CHUNK = 65536
_STDIN = 0
_STDOUT = 1


@click.command("fd-forward", cls=FleetCommand)
@click.argument("path", metavar="SOCKET", type=click.Path())
def fd_forward(path: str) -> int:
    """Connect standard input and output to a unix socket of this host.

    `fleetctl --tunnel` runs it on the host at the tunnel's end; there is no need to run it oneself. It ends when the
    socket's other side does, or whoever reads its output; the end of its input is passed on.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(path)
        except OSError as error:
            raise UnavailableError(f"cannot connect to the socket {path}: {error.strerror or error}") from error
        threading.Thread(target=_send, args=(connection,), daemon=True).start()
        _receive(connection)
    return 0


def _send(connection: socket.socket) -> None:
    try:
        while data := os.read(_STDIN, _CHUNK):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the other side has ended, which `_receive` sees too


def _receive(connection: socket.socket) -> None:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(_STDOUT, 0)  # tells when nobody reads any more, even if there is nothing to write
    while True:
        ready = dict(poll.poll())
        if _STDOUT in ready:
            return
        try:
            data = connection.recv(_CHUNK)
            _write(data)
        except OSError:
            return
        if not data:
            return


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(_STDOUT, left) :]
