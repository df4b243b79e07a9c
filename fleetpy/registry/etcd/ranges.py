"""Reading keys: etcd's ranges, and entries from its key-values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aetcd.rpc import RangeRequest
from grpc import StatusCode

from fleetpy.ids import LeaseID, Revision
from fleetpy.registry.etcd.failures import is_about
from fleetpy.registry.protocol import CompactedError, Entry, FutureRevisionError, Page, Store

if TYPE_CHECKING:
    from aetcd.rpc import KeyValue, RangeResponse
    from grpc.aio import AioRpcError

_EVERYTHING = b"\0"


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """The first key and the end of the range of all keys that start with `prefix`."""
    first = prefix.encode()
    # The end is the next string of that length: no byte of UTF-8 is 0xff, so the last one can be counted up.
    return (first, first[:-1] + bytes([first[-1] + 1])) if first else (_EVERYTHING, _EVERYTHING)


def page_request(prefix: str, after: str, limit: int, revision: Revision) -> RangeRequest:
    """The request for a page of a prefix, as `Registry.page` has it; linearizable."""
    first, end = prefix_range(prefix)
    if after:
        first = max(first, after.encode() + b"\0")
    return RangeRequest(key=first, range_end=end, limit=limit, revision=revision)


def page_of(answer: RangeResponse, revision: Revision) -> Page:
    """The page that an answer to `page_request` holds."""
    entries = tuple(map(entry_of, answer.kvs))
    store = Store(answer.header.cluster_id, answer.header.raft_term)
    return Page(entries, revision or Revision(answer.header.revision), answer.more, store)


def entry_of(stored: KeyValue) -> Entry:
    """An entry, from etcd's own form of it."""
    return Entry(
        key=stored.key.decode(errors="replace"),
        value=stored.value,
        create_revision=Revision(stored.create_revision),
        mod_revision=Revision(stored.mod_revision),
        lease=LeaseID(stored.lease),
    )


def read_page_error(error: AioRpcError, revision: Revision) -> Exception | None:
    """What an error means to who asked for a page at `revision`."""
    if is_about(error, StatusCode.OUT_OF_RANGE, "compacted"):
        return CompactedError(revision)
    if is_about(error, StatusCode.OUT_OF_RANGE, "future revision"):
        return FutureRevisionError(revision)
    return None
