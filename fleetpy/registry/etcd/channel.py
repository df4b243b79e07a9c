"""One gRPC channel to one member of etcd, and the calls over it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import grpc
from aetcd.rpc import (
    AuthStub,
    KVStub,
    LeaseStub,
    MaintenanceStub,
    RangeRequest,
    StatusRequest,
    StatusResponse,
    WatchStub,
)
from grpc.aio import AioRpcError, UsageError

from fleetpy.registry.etcd.failures import BrokenConnectionError, details_of, is_about

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fleetpy.registry.etcd.settings import Endpoint, EtcdSettings

R = TypeVar("R")
Metadata = tuple[tuple[str, str], ...]

_OPTIONS: tuple[tuple[str, int], ...] = (
    # A member that is silent on a connection in use is asked whether it lives after 6 s, and has 3 s to answer: so a
    # watch notices within 9 s that its member has vanished. etcd refuses clients that ask more often than every 5 s.
    ("grpc.keepalive_time_ms", 6_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 3_000),  # What counts in newer versions of gRPC, where it is a minute by itself.
    ("grpc.http2.max_pings_without_data", 0),
    # We choose among members ourselves, so a channel need not wait long for its own; gRPC's own wait grows to minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Channels to one address share a connection otherwise, its backoff and its certificates included.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
_OLDEST = (3, 4)


class Channel:
    """A channel to one member, and what is known of it since it was last probed."""

    def __init__(self, endpoint: Endpoint, settings: EtcdSettings) -> None:
        """Raises `UnavailableError` if a certificate cannot be read; needs a running loop, connects to nothing yet."""
        self.endpoint = endpoint
        self.version: tuple[int, ...] = ()
        self.closed = False
        self._probing = asyncio.Lock()
        if endpoint.tls:
            self._channel = grpc.aio.secure_channel(endpoint.target, settings.credentials(), options=_OPTIONS)
        else:
            self._channel = grpc.aio.insecure_channel(endpoint.target, options=_OPTIONS)
        self.kv = KVStub(self._channel)
        self.lease = LeaseStub(self._channel)
        self.watch = WatchStub(self._channel)
        self.auth = AuthStub(self._channel)
        self._maintenance = MaintenanceStub(self._channel)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return not self.closed and self._channel.get_state() is grpc.ChannelConnectivity.READY

    async def probe(self, metadata: Metadata, patience: float) -> str:
        """Ask the member itself how it is, connecting if need be; empty if well, else what is wrong in words.

        Early etcds say so to anybody, later ones, if they have users, to these, and some only to administrators.
        Then a read tells as much: it is refused for want of a permission when the cluster has already agreed on it.
        """
        ask = partial(self._maintenance.Status, StatusRequest(), timeout=patience, metadata=metadata)
        read = partial(self.kv.Range, RangeRequest(key=b"/", keys_only=True), timeout=patience, metadata=metadata)
        async with self._probing:
            try:
                return self._read_status(await self.call(ask))
            except AioRpcError as error:
                if not is_about(error, grpc.StatusCode.PERMISSION_DENIED, "permission denied"):
                    return _in_words(error, patience)
            except BrokenConnectionError:
                return "no answer"
            try:
                await self.call(read)
            except AioRpcError as error:
                denied = is_about(error, grpc.StatusCode.PERMISSION_DENIED, "permission denied")
                return "" if denied else _in_words(error, patience)
            except BrokenConnectionError:
                return "no answer"
        return ""

    def _read_status(self, status: StatusResponse) -> str:
        self.version = tuple(int(part) for part in status.version.split("-")[0].split(".") if part.isdigit())
        if self.version < _OLDEST:
            return f"it is etcd {status.version}, and 3.4 is the oldest that fleetpy works with"
        if status.isLearner:
            return "it is a learner, which answers no requests"
        return "" if status.leader else "it sees no leader, so most of its cluster is away"

    async def call(self, start: Callable[[], Awaitable[R]]) -> R:
        """Start a call over this channel and await it.

        Raises `AioRpcError`, or `BrokenConnectionError` if the channel is closed: gRPC cancels the calls of a channel
        that is closed, which would look as if the caller were cancelled.
        """
        try:
            return await start()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.closed and task is not None and not task.cancelling():
                raise BrokenConnectionError from None
            raise
        except UsageError as error:
            raise BrokenConnectionError from error

    async def close(self) -> None:
        """End the connection and every call over it."""
        self.closed = True
        await self._channel.close(None)


def _in_words(error: AioRpcError, patience: float) -> str:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer within {patience:g} s"
    return details_of(error)
