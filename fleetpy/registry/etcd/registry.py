"""`EtcdRegistry`: the registry's protocol, each method one request or a few."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from aetcd.rpc import RangeRequest

from fleetpy.registry import transaction
from fleetpy.registry.etcd import renewal
from fleetpy.registry.etcd.ranges import entry_of, page_of, page_request, read_page_error
from fleetpy.registry.etcd.requests import Requests, unary
from fleetpy.registry.etcd.transactions import (
    commit_request,
    committed_at,
    get_many_request,
    read_commit_error,
    read_many,
)
from fleetpy.registry.etcd.watch import EtcdWatch
from fleetpy.registry.protocol import MAX_OPERATIONS, NEWEST, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fleetpy.ids import LeaseID, Revision
    from fleetpy.registry.etcd.channel import Channel
    from fleetpy.registry.etcd.settings import EtcdSettings
    from fleetpy.registry.protocol import Entry, Guard, LeaseTime, Page, Write


def connect(settings: EtcdSettings) -> EtcdRegistry:
    """A registry in etcd; it connects when it is first used, in the event loop that uses it. Close it when done."""
    return EtcdRegistry(settings)


class EtcdRegistry(Registry):
    """A client of etcd. Reads are linearizable; a request that goes wrong goes to another member where that is safe."""

    def __init__(self, settings: EtcdSettings) -> None:
        self._requests = Requests(settings)

    async def get(self, key: str) -> Entry | None:
        """See `Registry.get`."""
        answer = await self._range(RangeRequest(key=key.encode()), NEWEST)
        return entry_of(answer.kvs[0]) if answer.kvs else None

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """See `Registry.get_many`."""
        found: dict[str, Entry] = {}
        waiting = iter(dict.fromkeys(keys))
        while some := list(islice(waiting, MAX_OPERATIONS)):
            found.update(read_many(await self._requests.send(unary(_txn, get_many_request(some)), repeatable=True)))
        return found

    async def page(self, prefix: str, *, after: str = "", limit: int = 1000, revision: Revision = NEWEST) -> Page:
        """See `Registry.page`."""
        return page_of(await self._range(page_request(prefix, after, limit, revision), revision), revision)

    async def commit(self, writes: Sequence[Write], *, guards: Sequence[Guard] = ()) -> Revision:
        """See `Registry.commit`."""
        transaction.check(writes, guards)
        # Never repeated: it may have been committed though its answer was lost.
        answer = await self._requests.send(
            unary(_txn, commit_request(writes, guards)),
            repeatable=False,
            read=lambda error: read_commit_error(error, writes),
        )
        return committed_at(answer, guards)

    def watch(self, prefix: str, *, start: Revision) -> EtcdWatch:
        """See `Registry.watch`."""
        return EtcdWatch(self._requests, prefix, start)

    async def grant_lease(self, ttl: float) -> LeaseID:
        """See `Registry.grant_lease`."""
        return await renewal.grant(self._requests, ttl)

    async def renew_lease(self, lease: LeaseID) -> float:
        """See `Registry.renew_lease`."""
        return await renewal.renew(self._requests, lease)

    async def lease_time(self, lease: LeaseID) -> LeaseTime | None:
        """See `Registry.lease_time`."""
        return await renewal.time_of(self._requests, lease)

    async def revoke_lease(self, lease: LeaseID) -> None:
        """See `Registry.revoke_lease`."""
        await renewal.revoke(self._requests, lease)

    async def close(self) -> None:
        """See `Registry.close`."""
        await self._requests.members.close()

    async def _range(self, request: RangeRequest, revision: Revision) -> Any:
        send = unary(lambda channel: channel.kv.Range, request)
        return await self._requests.send(send, repeatable=True, read=lambda error: read_page_error(error, revision))


def _txn(channel: Channel) -> Any:
    return channel.kv.Txn
