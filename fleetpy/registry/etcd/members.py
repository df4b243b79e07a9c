"""Which member of etcd to speak with, and moving to another when it fails.

The choice is ours and not gRPC's: there is one channel at a time, to one member that was asked how it is and said that
it has a leader. When a request to it goes wrong it is asked again; if it does not answer within a request's time, or
has lost its leader, its channel is closed, which ends every watch over it at once, and another member is chosen.

To choose, the members are asked one after another, `STAGGER` seconds apart, and the first that is well is taken: one
that hangs costs a quarter of a second. A member on this host is asked first, the others in an order of our own, and
those that failed lately last. Certificates are read anew for each channel, so that renewed ones come into use.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from grpc.aio import AioRpcError

from fleetpy.errors import UnavailableError
from fleetpy.registry.etcd.channel import Channel
from fleetpy.registry.etcd.failures import BrokenConnectionError, details_of, is_bad_token, unreachable
from fleetpy.registry.protocol import NotSentError, RegistryDeniedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from fleetpy.registry.etcd.auth import Tokens
    from fleetpy.registry.etcd.settings import Endpoint, EtcdSettings

_log = logging.getLogger(__name__)

STAGGER = 0.25
"""Seconds between asking one member and the next while none has answered."""


class Members:
    """The members of one etcd cluster, of which one is in use. Belongs to one event loop."""

    def __init__(self, settings: EtcdSettings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        endpoints = list(settings.parsed)
        random.shuffle(endpoints)
        self._endpoints = sorted(endpoints, key=lambda endpoint: not endpoint.loopback)
        self._failed_at: dict[Endpoint, float] = {}
        self._current: Channel | None = None
        self._choosing: asyncio.Task[Channel | UnavailableError] | None = None
        self._closed = False

    @property
    def names(self) -> str:
        """All endpoints, for messages."""
        return ", ".join(self._settings.endpoints)

    async def current(self) -> Channel:
        """A channel to a member that is well, as far as is known; raises `UnavailableError` if there is none."""
        self._check_open()
        if self._current is not None:
            if self._current.connected:
                return self._current
            await self._leave(self._current, "the connection is gone")
        # One choice at a time, for all that wait; it goes on if one of them is cancelled.
        if self._choosing is None:
            self._choosing = asyncio.ensure_future(self._choose())
        chosen = await asyncio.shield(self._choosing)
        self._check_open()
        if isinstance(chosen, UnavailableError):
            raise chosen
        return chosen

    async def suspect(self, channel: Channel) -> None:
        """Something went wrong with this member: see how it is, and leave it if it is not well."""
        if channel.closed:
            return
        problem = await self._problem(channel) if channel.connected else "the connection is gone"
        if problem:
            await self._leave(channel, problem)

    async def close(self) -> None:
        """Let go of everything."""
        self._closed = True
        if self._choosing is not None:
            self._choosing.cancel()
            await asyncio.wait([self._choosing])
        if self._current is not None:
            await self._current.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError(f"the connection to etcd ({self.names}) is closed")

    async def _problem(self, channel: Channel) -> str:
        """What is wrong with a member, by its own word; nothing if it is well."""
        patience = self._settings.request_timeout
        metadata = self._tokens.known
        problem = await channel.probe(metadata, patience)
        if not (is_bad_token(problem) and self._tokens.refused(metadata)):
            return problem
        try:
            return await channel.probe(await self._tokens.metadata(channel), patience)
        except AioRpcError as error:
            return details_of(error)
        except BrokenConnectionError:
            return "no answer"

    async def _leave(self, channel: Channel, problem: str) -> None:
        self._failed_at[channel.endpoint] = asyncio.get_running_loop().time()
        if self._current is channel:
            self._current = None
            _log.info("leaves etcd at %s: %s", channel.endpoint.url, problem)
        await channel.close()

    async def _choose(self) -> Channel | UnavailableError:
        """The first member that is well, which becomes the current one; or what is wrong with each."""
        order = sorted(self._endpoints, key=lambda endpoint: self._failed_at.get(endpoint, 0.0))
        tries: dict[Endpoint, asyncio.Task[Channel | UnavailableError]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for endpoint in order:
                    tries[endpoint] = group.create_task(self._try(endpoint))
                    if await _first_channel(tries.values(), STAGGER):
                        break
                self._current = await _first_channel(tries.values(), None)
                for task in tries.values():
                    task.cancel()
        finally:
            self._choosing = None
        results = {endpoint: task.result() for endpoint, task in tries.items() if not task.cancelled()}
        for result in results.values():
            if isinstance(result, Channel) and result is not self._current:
                await result.close()
        if self._current is not None:
            return self._current
        problems = [results[endpoint] for endpoint in self._endpoints]
        return _summary([problem for problem in problems if isinstance(problem, UnavailableError)])

    async def _try(self, endpoint: Endpoint) -> Channel | UnavailableError:
        """A channel to the member if it is well; what is wrong if it is not."""
        try:
            channel = Channel(endpoint, self._settings)
        except UnavailableError as error:
            return error
        problem = "not asked to the end"
        try:
            problem = await self._problem(channel)
        finally:
            if problem:
                await channel.close()
        if not problem:
            return channel
        self._failed_at[endpoint] = asyncio.get_running_loop().time()
        return unreachable(problem, endpoint)


def _summary(errors: list[UnavailableError]) -> UnavailableError:
    kind = RegistryDeniedError if any(isinstance(error, RegistryDeniedError) for error in errors) else NotSentError
    if len(errors) == 1:
        return kind(str(errors[0]))
    return kind(f"no member of etcd is well: {'; '.join(map(str, errors))}")


async def _first_channel(
    tries: Collection[asyncio.Task[Channel | UnavailableError]], patience: float | None
) -> Channel | None:
    """Wait until one has succeeded, all have failed, or the time is up; what the one that has succeeded gave."""
    loop = asyncio.get_running_loop()
    until = None if patience is None else loop.time() + patience
    while True:
        for task in tries:
            if task.done() and isinstance(result := task.result(), Channel):
                return result
        pending = [task for task in tries if not task.done()]
        left = None if until is None else until - loop.time()
        if not pending or (left is not None and left <= 0):
            return None
        await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
