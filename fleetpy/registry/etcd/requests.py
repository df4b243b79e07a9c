"""One request to etcd: to a member that is well, with a token that is valid, and again where that is safe."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from grpc.aio import AioRpcError

from fleetpy.registry.etcd.auth import Tokens
from fleetpy.registry.etcd.failures import (
    BrokenConnectionError,
    details_of,
    is_members_fault,
    translated,
    wants_token,
)
from fleetpy.registry.etcd.members import Members

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fleetpy.registry.etcd.channel import Channel, Metadata
    from fleetpy.registry.etcd.settings import EtcdSettings

    Send = Callable[[Channel, Metadata, float], Awaitable[Any]]
    """Starts a call over a channel, with this metadata and this many seconds."""
    Read = Callable[[AioRpcError], Exception | None]
    """What an error that etcd answered with means to the one who asked; None if it means nothing special."""


def unary(method: Callable[[Channel], Any], message: Any) -> Send:
    """A request of one message and one answer, to the method of a channel's stub."""
    return lambda channel, metadata, timeout: method(channel)(message, timeout=timeout, metadata=metadata)


class Requests:
    """Sends the requests of one registry."""

    def __init__(self, settings: EtcdSettings) -> None:
        self.tokens = Tokens(settings)
        self.members = Members(settings, self.tokens)
        self.timeout = settings.request_timeout

    async def send(self, send: Send, *, repeatable: bool, read: Read = lambda _: None) -> Any:
        """The answer to a request.

        One that etcd refused for its token had no effect, and is sent again with a new token. One that went wrong on
        its way is sent again, to a member that is well, only if it is `repeatable`; once. Raises what `read` makes of
        an error, or else the `FleetError` that `failures` makes of it.
        """
        retries, renewals = int(repeatable), 1
        while True:
            channel = await self.members.current()
            metadata: Metadata = ()
            try:
                metadata = await self.tokens.metadata(channel)
                return await channel.call(partial(send, channel, metadata, self.timeout))
            except AioRpcError as error:
                meaning = read(error)
                if meaning is not None:
                    raise meaning from error
                if renewals and wants_token(details_of(error), given=bool(metadata)) and self.tokens.refused(metadata):
                    renewals -= 1
                    continue
                if not is_members_fault(error):
                    raise translated(error, channel.endpoint.url, self.timeout) from error
                failure: AioRpcError | BrokenConnectionError = error
            except BrokenConnectionError as error:
                failure = error
            await self.members.suspect(channel)
            if not retries:
                raise translated(failure, channel.endpoint.url, self.timeout) from failure
            retries -= 1
