"""A watch of etcd: one gRPC stream with one watcher on it.

What etcd's versions do wrong, and what is done about it here:

* Before 3.4.34 and 3.5.16, a watch that starts at the very revision that was compacted begins, though a removal at that
  revision is forgotten. So a watch asks for one revision more than it needs: it is refused in that case.
* Before 3.4.24 and 3.5.8, events may be sent twice, or again from an older revision. What is not newer is dropped.
* Before 3.4.25 and 3.5.8, the answer to a request for progress may overtake events. There it is never requested
  (`request_progress` says False), and the view reads again instead. Progress that etcd tells unasked is sound.

A member that has lost its leader ends its watches (`hasleader`), so that a member cut off from the others is noticed.
All events of one revision come in one response, since responses are not to be cut into fragments.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from aetcd.rpc import Event, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse
from grpc.aio import AioRpcError, UsageError

from fleetpy.errors import UnavailableError
from fleetpy.ids import Revision
from fleetpy.registry.etcd.failures import BrokenConnectionError, is_bad_token, is_members_fault, refusal, translated
from fleetpy.registry.etcd.ranges import entry_of, prefix_range
from fleetpy.registry.protocol import CompactedError, Deleted, Entry, EventBatch, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.registry.etcd.channel import Channel, Metadata
    from fleetpy.registry.etcd.requests import Requests

_NEEDS_LEADER = (("hasleader", "true"),)
_SOUND_PROGRESS_3_4 = (3, 4, 25)
_SOUND_PROGRESS = (3, 5, 8)
_3_5 = (3, 5)

AHEAD = 100
"""Responses that are read ahead; then etcd has to wait, and sends what comes meanwhile in larger ones."""


class EtcdWatch(Watch):
    """The stream is opened when the watch is first read."""

    def __init__(self, requests: Requests, prefix: str, start: Revision) -> None:
        if start <= 0:
            raise ValueError(f"a watch starts at revision 1 or later, not {start}")
        self._requests = requests
        self._prefix = prefix
        self._start = start
        self._reached = Revision(start - 1)
        self._asked: Channel | None = None
        """Whom the stream was asked of; it stands once `_channel` is set too."""
        self._channel: Channel | None = None
        self._call: Any = None
        # Reading goes on when who waits for it is cancelled (gRPC would end the stream), and while he is busy.
        self._reading: asyncio.Task[None] | None = None
        self._read_ahead: list[EventBatch] = []
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBatch:
        if self._reading is None and not self._closed:
            self._reading = asyncio.ensure_future(self._read())
            self._reading.add_done_callback(lambda _: self._changed.set())
        while not (self._read_ahead or self._closed):
            reading = self._reading
            if reading is not None and reading.done():
                self._reading = None
                reading.result()
            self._changed.clear()
            await self._changed.wait()
        if self._closed:
            raise StopAsyncIteration
        batches, self._read_ahead = self._read_ahead, []
        self._changed.set()
        return batches[0] if len(batches) == 1 else _together(batches)

    async def request_progress(self) -> bool:
        """See `Watch.request_progress`."""
        if self._closed or self._channel is None or not is_sound(self._channel.version):
            return False
        try:
            async with self._writing:
                await self._call.write(WatchRequest(progress_request=WatchProgressRequest()))
        except (AioRpcError, asyncio.InvalidStateError, UsageError):
            return False  # The stream is broken, and who reads it is told.
        return True

    async def aclose(self) -> None:
        """See `Watch.aclose`."""
        self._closed = True
        self._changed.set()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._call is not None:
            self._call.cancel()

    async def _read(self) -> None:
        """Read until that goes wrong, and some way ahead of who takes it."""
        try:
            if self._channel is None:
                self._channel = await self._open()
            while True:
                batch = self._batch(self._channel, await self._receive(self._channel))
                if batch is not None:
                    self._read_ahead.append(batch)
                    self._changed.set()
                while len(self._read_ahead) >= AHEAD:
                    self._changed.clear()
                    await self._changed.wait()
        except (AioRpcError, BrokenConnectionError) as error:
            raise await self._failure(error) from error

    async def _open(self) -> Channel:
        """Begin the stream and the watcher on it; once more with a new token if etcd does not take ours."""
        first, end = prefix_range(self._prefix)
        create = WatchCreateRequest(
            key=first, range_end=end, start_revision=max(1, self._start - 1), progress_notify=True
        )
        tokens, renewals = self._requests.tokens, 1
        while True:
            self._asked = channel = await self._requests.members.current()
            metadata = await tokens.metadata(channel)
            reason = await self._begin(channel, metadata, WatchRequest(create_request=create))
            if not reason:
                return channel
            # Until 3.5, etcd says that permission is denied also if it has only forgotten the token.
            if not (renewals and _is_denied(reason) and tokens.refused(metadata)):
                raise refusal(reason, channel.endpoint.url)
            renewals -= 1

    async def _begin(self, channel: Channel, metadata: Metadata, create: WatchRequest) -> str:
        """Open a stream and create the watcher; why etcd does not want to, or nothing."""
        try:
            self._call = channel.watch.Watch(metadata=metadata + _NEEDS_LEADER)
        except UsageError as error:
            raise BrokenConnectionError from error
        try:
            async with asyncio.timeout(self._requests.timeout):
                await channel.call(partial(self._call.write, create))
                created = await self._receive(channel)
        except BaseException as error:
            self._call.cancel()
            if isinstance(error, TimeoutError):
                raise BrokenConnectionError from error
            raise
        if not created.canceled:
            return ""
        self._call.cancel()
        return created.cancel_reason or "it does not take the watch"

    async def _receive(self, channel: Channel) -> WatchResponse:
        response = await channel.call(self._call.read)
        if not isinstance(response, WatchResponse):
            raise BrokenConnectionError  # The stream has ended.
        return response

    def _batch(self, channel: Channel, response: WatchResponse) -> EventBatch | None:
        """The batch that a response makes, if it tells anything."""
        if response.canceled:
            if response.compact_revision:
                raise CompactedError(Revision(self._reached + 1), Revision(response.compact_revision))
            raise refusal(response.cancel_reason or "it ended the watch", channel.endpoint.url)
        events = tuple(event for event in map(_event, response.events) if _revision_of(event) > self._reached)
        if events:
            self._reached = _revision_of(events[-1])
        elif not response.events and response.header.revision >= self._reached:
            self._reached = Revision(response.header.revision)
        else:
            return None
        return EventBatch(self._reached, events)

    async def _failure(self, error: AioRpcError | BrokenConnectionError) -> UnavailableError:
        channel = self._asked
        if channel is None:
            return UnavailableError(f"etcd at {self._requests.members.names}: {error}")
        if isinstance(error, BrokenConnectionError) or is_members_fault(error):
            await self._requests.members.suspect(channel)
        failure = translated(error, channel.endpoint.url, self._requests.timeout)
        return failure if isinstance(failure, UnavailableError) else UnavailableError(str(failure))


def _together(batches: Sequence[EventBatch]) -> EventBatch:
    return EventBatch(batches[-1].revision, tuple(event for batch in batches for event in batch.events))


def _is_denied(reason: str) -> bool:
    return "permission denied" in reason or is_bad_token(reason)


def is_sound(version: tuple[int, ...]) -> bool:
    """Whether an etcd of this version tells progress on request only when it has told the events before."""
    return version >= _SOUND_PROGRESS or _SOUND_PROGRESS_3_4 <= version < _3_5


def _event(event: Event) -> Entry | Deleted:
    if event.type == Event.DELETE:
        return Deleted(event.kv.key.decode(errors="replace"), Revision(event.kv.mod_revision))
    return entry_of(event.kv)


def _revision_of(event: Entry | Deleted) -> Revision:
    return event.mod_revision if isinstance(event, Entry) else event.revision
