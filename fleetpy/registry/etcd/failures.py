"""What gRPC's and etcd's errors mean (etcd's own: `api/v3rpc/rpctypes/error.go`; they start with `etcdserver:`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grpc import StatusCode

from fleetpy.errors import FleetError, UnavailableError
from fleetpy.registry.protocol import RegistryDeniedError, RegistryFullError, RequestTooLargeError

if TYPE_CHECKING:
    from grpc.aio import AioRpcError

    from fleetpy.registry.etcd.settings import Endpoint

_MEMBER_AT_FAULT = frozenset(
    {
        StatusCode.CANCELLED,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.UNKNOWN,
    }
)
_BAD_TOKEN = ("invalid auth token", "revision of auth store is old", "user name is empty")
_NO_ACCESS = ("authentication failed", "permission denied", *_BAD_TOKEN)
_TLS = re.compile(r"handshake|SSL_|TSI_|certificate|tls", re.IGNORECASE)
_HUNG_UP = ("Socket closed", "reset by peer")
_LAST_ERROR = re.compile(r"last error: (?:[A-Z_]+: )?(?:ipv[46]:\S+: )?(.*)", re.DOTALL)


class BrokenConnectionError(Exception):
    """A call ended because its channel was closed under it, as a member that hangs has its channel closed."""


def details_of(error: AioRpcError) -> str:
    """The error in words, without gRPC's wrapping."""
    text = error.details() or error.code().name
    last = _LAST_ERROR.search(text)
    return (last[1] if last else text).strip()


def is_members_fault(error: AioRpcError) -> bool:
    """Whether another member may do better."""
    return error.code() in _MEMBER_AT_FAULT


def is_bad_token(reason: str) -> bool:
    """Whether etcd did nothing because our token is unknown to it, or it wants one."""
    return any(words in reason for words in _BAD_TOKEN)


def wants_token(reason: str, *, given: bool) -> bool:
    """Whether another token may help. Without one, etcd takes a user's name from a client certificate that has one."""
    return is_bad_token(reason) or (not given and "permission denied" in reason)


def is_about(error: AioRpcError, code: StatusCode, words: str) -> bool:
    """Whether it is this error."""
    return error.code() is code and words in (error.details() or "")


def translated(error: AioRpcError | BrokenConnectionError, where: str, timeout: float) -> FleetError:
    """The error of ours for what went wrong at the member `where`, whose requests have `timeout` seconds."""
    if isinstance(error, BrokenConnectionError):
        return UnavailableError(f"etcd at {where} stopped answering")
    reason = details_of(error)
    if error.code() is StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(f"etcd at {where} did not answer within {timeout:g} s")
    if is_about(error, StatusCode.RESOURCE_EXHAUSTED, "database space exceeded"):
        return RegistryFullError(
            f"etcd at {where} is full and takes no writes: compact and defragment it, then disarm its alarm "
            "(etcdctl compact, defrag, alarm disarm)"
        )
    if is_about(error, StatusCode.INVALID_ARGUMENT, "request is too large") or is_about(
        error, StatusCode.RESOURCE_EXHAUSTED, "larger than max"
    ):
        return RequestTooLargeError(
            f"too much at once for etcd at {where}, whose --max-request-bytes must be its default (1.5 MiB) at least: "
            f"{reason}"
        )
    return refusal(reason, where)


def unreachable(reason: str, endpoint: Endpoint) -> UnavailableError:
    """The error for a member that could not be spoken with at all."""
    if not any(words in reason for words in _HUNG_UP):
        return refusal(reason, endpoint.url)
    if endpoint.tls:
        hint = "unless it is just stopping, it may not accept our certificate (etcd_certfile, etcd_keyfile)"
    else:
        hint = "unless it is just stopping, it may want TLS: then write https:// in etcd_servers"
    return UnavailableError(f"etcd at {endpoint.url}: {reason}; {hint}")


def refusal(reason: str, where: str) -> UnavailableError:
    """The error for a reason in etcd's or gRPC's words."""
    if any(words in reason for words in _NO_ACCESS):
        return RegistryDeniedError(
            f"etcd at {where} refuses us: {reason}; check user, password and role (etcd_username, etcd_password)"
        )
    if where.startswith("https:") and _TLS.search(reason):  # gRPC calls a plain connection's setting up a handshake too
        return RegistryDeniedError(
            f"no TLS with etcd at {where}: {reason}; check the certificates (etcd_cafile, etcd_certfile, etcd_keyfile)"
        )
    return UnavailableError(f"etcd at {where}: {reason}")
