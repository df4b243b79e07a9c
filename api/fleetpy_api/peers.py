"""Who is at the other end of a connection, as far as the kernel tells: for `changed_by`."""

from __future__ import annotations

import pwd
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from starlette.requests import Request

_CREDENTIALS = struct.Struct("3i")
"""struct ucred: pid, uid, gid (unix(7))."""


def describe_peer(transport: asyncio.BaseTransport) -> str:
    """Who has connected.

    `root (uid 0)` for a peer on this host's unix socket (SO_PEERCRED), `alice at 192.0.2.1` for one that has shown a
    certificate, else the address it came from.
    """
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None:
        return "unknown"
    if connection.family != socket.AF_UNIX:
        peer = transport.get_extra_info("peername")
        address, name = str(peer[0]) if peer else "unknown", _name(transport.get_extra_info("peercert"))
        return f"{name} at {address}" if name else address
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(raw)
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def requester(request: Request) -> str:
    """Who asks, in words."""
    known: str | None = getattr(request.state, "peer", None)
    return known or (request.client.host if request.client else "unknown")


def _name(certificate: dict[str, Any] | None) -> str:
    """Whom a certificate is about: its common name, else the first alternative one."""
    if not certificate:
        return ""
    subject = [pair for relative in certificate.get("subject", ()) for pair in relative]
    common = [value for key, value in subject if key == "commonName"]
    others = [value for _, value in certificate.get("subjectAltName", ())]
    return next(map(str, common + others), "")
