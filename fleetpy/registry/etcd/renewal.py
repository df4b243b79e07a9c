"""Leases of etcd: granting, renewing (a stream in etcd, used for one question and one answer), looking, revoking."""

from __future__ import annotations

import contextlib
import math
import secrets
from typing import TYPE_CHECKING

from aetcd.rpc import (
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
)
from grpc import StatusCode

from fleetpy.ids import LeaseID
from fleetpy.registry.etcd.failures import BrokenConnectionError, is_about
from fleetpy.registry.etcd.requests import unary
from fleetpy.registry.protocol import LeaseGoneError, LeaseTime

if TYPE_CHECKING:
    from grpc.aio import AioRpcError

    from fleetpy.registry.etcd.channel import Channel, Metadata
    from fleetpy.registry.etcd.requests import Requests


class _GrantedBeforeError(Exception):
    """The lease exists: the answer to an earlier try was lost."""


async def grant(requests: Requests, ttl: float) -> LeaseID:
    """Make a lease. Its id is chosen here, so that a grant whose answer was lost can be repeated."""
    lease = LeaseID(secrets.randbits(62) + 1)
    request = LeaseGrantRequest(ID=lease, TTL=max(1, math.ceil(ttl)))
    send = unary(lambda channel: channel.lease.LeaseGrant, request)

    def read(error: AioRpcError) -> Exception | None:
        exists = is_about(error, StatusCode.FAILED_PRECONDITION, "lease already exists")
        return _GrantedBeforeError() if exists else None

    with contextlib.suppress(_GrantedBeforeError):
        await requests.send(send, repeatable=True, read=read)
    return lease


async def renew(requests: Requests, lease: LeaseID) -> float:
    """Renew a lease; the seconds that it has now. Raises `LeaseGoneError`."""

    async def send(channel: Channel, metadata: Metadata, timeout: float) -> LeaseKeepAliveResponse:  # noqa: ASYNC109
        call = channel.lease.LeaseKeepAlive(timeout=timeout, metadata=metadata)
        try:
            # That no more will come is not said: gRPC has an error of its own for a call that has ended by then.
            await call.write(LeaseKeepAliveRequest(ID=lease))
            answer = await call.read()
        finally:
            call.cancel()
        if not isinstance(answer, LeaseKeepAliveResponse):
            raise BrokenConnectionError  # The stream has ended.
        return answer

    answer = await requests.send(send, repeatable=True, read=lambda error: _read_gone(error, lease))
    if answer.TTL <= 0:
        raise LeaseGoneError(lease)
    return float(answer.TTL)


async def time_of(requests: Requests, lease: LeaseID) -> LeaseTime | None:
    """How much time a lease has; None if it is gone."""
    request = LeaseTimeToLiveRequest(ID=lease)
    send = unary(lambda channel: channel.lease.LeaseTimeToLive, request)
    with contextlib.suppress(LeaseGoneError):
        answer = await requests.send(send, repeatable=True, read=lambda error: _read_gone(error, lease))
        if answer.TTL >= 0:
            return LeaseTime(float(answer.TTL), float(answer.grantedTTL))
    return None


async def revoke(requests: Requests, lease: LeaseID) -> None:
    """End a lease, whether or not it still lasts."""
    request = LeaseRevokeRequest(ID=lease)
    send = unary(lambda channel: channel.lease.LeaseRevoke, request)

    with contextlib.suppress(LeaseGoneError):
        await requests.send(send, repeatable=True, read=lambda error: _read_gone(error, lease))


def _read_gone(error: AioRpcError, lease: LeaseID) -> Exception | None:
    return LeaseGoneError(lease) if is_about(error, StatusCode.NOT_FOUND, "lease not found") else None
