"""Guarded transactions: etcd's comparisons and operations.

If a guard fails, the same transaction reads the guarded keys in its other branch, so that it can tell which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from aetcd.rpc import Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest
from grpc import StatusCode

from fleetpy.ids import Revision
from fleetpy.registry import transaction
from fleetpy.registry.etcd.failures import is_about
from fleetpy.registry.etcd.ranges import entry_of
from fleetpy.registry.protocol import (
    Absent,
    Delete,
    Entry,
    GuardFailedError,
    LeaseGoneError,
    Present,
    Put,
    UnchangedSince,
    ValueIs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aetcd.rpc import TxnResponse
    from grpc.aio import AioRpcError

    from fleetpy.registry.protocol import Guard, Write


def commit_request(writes: Sequence[Write], guards: Sequence[Guard]) -> TxnRequest:
    """Write if all guards hold; otherwise read the keys that they are on."""
    keys = dict.fromkeys(guard.key for guard in guards)
    values = {guard.key for guard in guards if isinstance(guard, ValueIs)}
    return TxnRequest(
        compare=[_comparison(guard) for guard in guards],
        success=[_operation(write) for write in writes],
        failure=[_read(key, keys_only=key not in values) for key in keys],
    )


def committed_at(answer: TxnResponse, guards: Sequence[Guard]) -> Revision:
    """The revision of a commit; raises `GuardFailedError`."""
    revision = Revision(answer.header.revision)
    if answer.succeeded:
        return revision
    found = read_many(answer)
    failed = tuple(guard for guard in guards if not transaction.holds(guard, found.get(guard.key)))
    raise GuardFailedError(failed, revision)


def read_commit_error(error: AioRpcError, writes: Iterable[Write]) -> Exception | None:
    """What an error means to who wanted these writes: etcd does not say which lease is gone; usually there is one."""
    if is_about(error, StatusCode.NOT_FOUND, "lease not found"):
        return LeaseGoneError(next(write.lease for write in writes if isinstance(write, Put) and write.lease))
    return None


def get_many_request(keys: Iterable[str]) -> TxnRequest:
    """Read keys, at one revision."""
    return TxnRequest(success=[_read(key) for key in keys])


def read_many(answer: TxnResponse) -> dict[str, Entry]:
    """The entries that a transaction has read."""
    entries = (entry_of(stored) for one in answer.responses for stored in one.response_range.kvs)
    return {entry.key: entry for entry in entries}


def _read(key: str, *, keys_only: bool = False) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key=key.encode(), keys_only=keys_only))


def _operation(write: Write) -> RequestOp:
    match write:
        case Put():
            return RequestOp(request_put=PutRequest(key=write.key.encode(), value=write.value, lease=write.lease))
        case Delete():
            return RequestOp(request_delete_range=DeleteRangeRequest(key=write.key.encode()))
        case _:
            assert_never(write)


def _comparison(guard: Guard) -> Compare:
    key = guard.key.encode()
    match guard:
        case Absent():
            return Compare(key=key, target=Compare.CREATE, result=Compare.EQUAL, create_revision=0)
        case Present():
            return Compare(key=key, target=Compare.CREATE, result=Compare.GREATER, create_revision=0)
        case UnchangedSince():
            return Compare(key=key, target=Compare.MOD, result=Compare.EQUAL, mod_revision=guard.revision)
        case ValueIs():
            return Compare(key=key, target=Compare.VALUE, result=Compare.EQUAL, value=guard.value)
        case _:
            assert_never(guard)
