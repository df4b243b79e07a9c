"""The token that etcd gives for a user and a password, and renewing it.

etcd forgets a token after a while (5 minutes, `--auth-token-ttl`), when a member restarts, and when users or roles
change. A request that carries a forgotten one is refused before anything is done.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aetcd.rpc import AuthenticateRequest
from grpc import StatusCode
from grpc.aio import AioRpcError

from fleetpy.registry.etcd.failures import is_about

if TYPE_CHECKING:
    from fleetpy.registry.etcd.channel import Channel, Metadata
    from fleetpy.registry.etcd.settings import EtcdSettings

_log = logging.getLogger(__name__)


class Tokens:
    """The present token of a user; of nobody, if no user is set."""

    def __init__(self, settings: EtcdSettings) -> None:
        self._settings = settings
        self._metadata: Metadata | None = None if settings.username else ()
        self._renewing = asyncio.Lock()

    @property
    def known(self) -> Metadata:
        """What a request may carry without asking for a token first."""
        return self._metadata or ()

    async def metadata(self, channel: Channel) -> Metadata:
        """What a request carries; raises what a call over the channel raises."""
        if self._metadata is not None:
            return self._metadata
        async with self._renewing:
            if self._metadata is None:
                self._metadata = await self._authenticate(channel)
            return self._metadata

    def refused(self, metadata: Metadata) -> bool:
        """A request with this was refused: have the next one get a new token. False if there is none to be had."""
        if not self._settings.username:
            return False
        if self._metadata == metadata:
            self._metadata = None
        return True

    async def _authenticate(self, channel: Channel) -> Metadata:
        request = AuthenticateRequest(name=self._settings.username, password=self._settings.password)
        try:
            timeout = self._settings.request_timeout
            answer = await channel.call(lambda: channel.auth.Authenticate(request, timeout=timeout))
        except AioRpcError as error:
            if is_about(error, StatusCode.FAILED_PRECONDITION, "authentication is not enabled"):
                _log.warning("etcd has authentication disabled, so user %s is not used", self._settings.username)
                return ()
            raise
        return (("token", answer.token),)
