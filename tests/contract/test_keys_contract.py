"""Reads, pages and guarded transactions, in every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import NO_LEASE, LeaseID, Revision
from fleetpy.registry.protocol import (
    MAX_OPERATIONS,
    MAX_REQUEST_BYTES,
    Absent,
    CompactedError,
    Delete,
    Entry,
    FutureRevisionError,
    Guard,
    GuardFailedError,
    LeaseGoneError,
    Present,
    Put,
    RequestTooLargeError,
    UnchangedSince,
    ValueIs,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.registry.protocol import Registry
    from tests.contract.conftest import Store


async def test_a_key_that_was_never_written_is_none(registry: Registry, prefix: str) -> None:
    assert await registry.get(f"{prefix}a") is None


async def test_a_put_is_read_back_with_the_revision_that_commit_returned(registry: Registry, prefix: str) -> None:
    revision = await registry.commit([Put(f"{prefix}a", b"\x00one")])
    assert await registry.get(f"{prefix}a") == Entry(f"{prefix}a", b"\x00one", revision, revision, NO_LEASE)


async def test_writing_again_keeps_the_create_revision_and_removing_ends_it(registry: Registry, prefix: str) -> None:
    key = f"{prefix}a"
    first = await registry.commit([Put(key, b"1")])
    second = await registry.commit([Put(key, b"2")])
    assert await registry.get(key) == Entry(key, b"2", first, second)
    await registry.commit([Delete(key)])
    assert await registry.get(key) is None
    again = await registry.commit([Put(key, b"3")])
    assert await registry.get(key) == Entry(key, b"3", again, again)


async def test_all_writes_of_a_transaction_have_one_revision(registry: Registry, prefix: str) -> None:
    before = await registry.commit([Put(f"{prefix}gone", b"")])
    revision = await registry.commit([Put(f"{prefix}a", b"1"), Delete(f"{prefix}gone"), Put(f"{prefix}b", b"2")])
    assert revision == before + 1
    page = await registry.page(prefix)
    assert [(entry.key, entry.mod_revision) for entry in page.entries] == [
        (f"{prefix}a", revision),
        (f"{prefix}b", revision),
    ]


async def test_a_transaction_that_changes_nothing_returns_the_newest_revision(registry: Registry, prefix: str) -> None:
    revision = await registry.commit([Put(f"{prefix}a", b"")])
    assert await registry.commit([Delete(f"{prefix}never")]) == revision
    assert await registry.commit([], guards=[Present(f"{prefix}a")]) == revision
    assert await registry.commit([]) == revision


@pytest.mark.parametrize("count", [0, 1, MAX_OPERATIONS, MAX_OPERATIONS + 1, 300])
async def test_get_many_returns_those_that_exist(registry: Registry, prefix: str, count: int) -> None:
    keys = [f"{prefix}{number:03}" for number in range(count)]
    for start in range(0, count, MAX_OPERATIONS):
        await registry.commit([Put(key, key.encode()) for key in keys[start : start + MAX_OPERATIONS]])
    found = await registry.get_many([*keys, f"{prefix}absent"])
    assert {key: entry.value for key, entry in found.items()} == {key: key.encode() for key in keys}


async def test_pages_follow_each_other_at_one_revision_while_others_write(
    registry: Registry, other: Registry, prefix: str
) -> None:
    keys = [f"{prefix}{number}" for number in range(7)]
    await registry.commit([Put(key, b"old") for key in keys])
    page = await registry.page(prefix, limit=3)
    entries = list(page.entries)
    while page.more:
        await other.commit([Put(keys[-1], b"new"), Delete(keys[-2]), Put(f"{prefix}9", b"new")])
        page = await registry.page(prefix, after=page.entries[-1].key, limit=3, revision=page.revision)
        entries += page.entries
    assert [(entry.key, entry.value) for entry in entries] == [(key, b"old") for key in keys]


@pytest.mark.parametrize(("limit", "sizes"), [(4, [4]), (5, [4]), (2, [2, 2]), (3, [3, 1])])
async def test_a_page_says_whether_more_follow(registry: Registry, prefix: str, limit: int, sizes: list[int]) -> None:
    await registry.commit([Put(f"{prefix}{letter}", b"") for letter in "abcd"])
    page = await registry.page(prefix, limit=limit)
    seen = [len(page.entries)]
    while page.more:
        page = await registry.page(prefix, after=page.entries[-1].key, limit=limit, revision=page.revision)
        seen.append(len(page.entries))
    assert seen == sizes


async def test_a_page_holds_only_keys_of_its_prefix_in_order(registry: Registry, prefix: str) -> None:
    keys = [f"{prefix}{rest}" for rest in ("b/2", "b/10", "b/", "b", "c/1", "a/9", "b0", "b/é", "b/~")]
    await registry.commit([Put(key, b"") for key in keys])
    page = await registry.page(f"{prefix}b/")
    assert [entry.key for entry in page.entries] == [f"{prefix}b/{rest}" for rest in ("", "10", "2", "~", "é")]
    after = await registry.page(f"{prefix}b/", after=f"{prefix}b/10")
    assert [entry.key for entry in after.entries] == [f"{prefix}b/{rest}" for rest in ("2", "~", "é")]
    assert (await registry.page(f"{prefix}b/", after=f"{prefix}zzz")).entries == ()
    assert len((await registry.page(f"{prefix}b/", after=f"{prefix}a")).entries) == 5


async def test_an_empty_page_has_the_newest_revision(registry: Registry, prefix: str) -> None:
    revision = await registry.commit([Put(f"{prefix}elsewhere", b"")])
    page = await registry.page(f"{prefix}nothing/")
    assert (page.entries, page.more, page.revision) == ((), False, revision)


async def test_a_compacted_revision_cannot_be_read(registry: Registry, store: Store, prefix: str) -> None:
    old = await registry.commit([Put(f"{prefix}a", b"1")])
    kept = await registry.commit([Put(f"{prefix}a", b"2")])
    await registry.commit([Put(f"{prefix}a", b"3")])
    await store.compact(kept)
    with pytest.raises(CompactedError) as raised:
        await registry.page(prefix, revision=old)
    assert raised.value.asked == old
    page = await registry.page(prefix, revision=kept)
    assert [entry.value for entry in page.entries] == [b"2"]


async def test_a_revision_that_is_yet_to_come_cannot_be_read(registry: Registry, prefix: str) -> None:
    newest = await registry.commit([Put(f"{prefix}a", b"1")])
    with pytest.raises(FutureRevisionError):
        await registry.page(prefix, revision=Revision(newest + 1000))


@pytest.mark.parametrize(
    ("guard_on", "holds_when_absent_and_present"),
    [
        (lambda key, _: Absent(key), [True, False]),
        (lambda key, _: Present(key), [False, True]),
        (UnchangedSince, [False, True]),
        (lambda key, revision: UnchangedSince(key, Revision(revision + 1)), [False, False]),
        (lambda key, _: ValueIs(key, b"value"), [False, True]),
        (lambda key, _: ValueIs(key, b"valu"), [False, False]),
        (lambda key, _: ValueIs(key, b"valuf"), [False, False]),
        (lambda key, _: ValueIs(key, b""), [False, False]),
    ],
    ids=["absent", "present", "unchanged", "changed", "value", "shorter-value", "other-value", "no-value"],
)
async def test_a_guard_holds_or_names_itself(
    registry: Registry,
    prefix: str,
    guard_on: Callable[[str, Revision], Guard],
    holds_when_absent_and_present: list[bool],
) -> None:
    key, target = f"{prefix}guarded", f"{prefix}target"
    revision = Revision(1)
    for holds in holds_when_absent_and_present:
        guard, writes = guard_on(key, revision), [Put(target, str(holds).encode())]
        if holds:
            await registry.commit(writes, guards=[guard])
            assert await registry.get(target) is not None
        else:
            with pytest.raises(GuardFailedError) as raised:
                await registry.commit(writes, guards=[guard])
            assert raised.value.failed == (guard,)
            assert await registry.get(target) is None
        await registry.commit([Delete(target)])
        revision = await registry.commit([Put(key, b"value")])


async def test_unchanged_since_fails_after_a_write_and_value_is_after_one_of_another(
    registry: Registry, prefix: str
) -> None:
    key = f"{prefix}a"
    first = await registry.commit([Put(key, b"1")])
    await registry.commit([Put(key, b"1")])
    with pytest.raises(GuardFailedError):
        await registry.commit([Put(key, b"2")], guards=[UnchangedSince(key, first)])
    await registry.commit([Put(key, b"2")], guards=[ValueIs(key, b"1")])
    with pytest.raises(GuardFailedError):
        await registry.commit([Put(key, b"3")], guards=[ValueIs(key, b"1")])


async def test_a_guard_on_a_value_is_told_from_others_on_its_key(registry: Registry, prefix: str) -> None:
    key = f"{prefix}a"
    await registry.commit([Put(key, b"1")])
    guards: list[Guard] = [Present(key), ValueIs(key, b"1"), Absent(key)]
    with pytest.raises(GuardFailedError) as raised:
        await registry.commit([Put(key, b"2")], guards=guards)
    assert raised.value.failed == (Absent(key),)


async def test_one_failed_guard_of_many_stops_every_write_and_is_the_one_named(registry: Registry, prefix: str) -> None:
    revision = await registry.commit([Put(f"{prefix}a", b"")])
    guards: list[Guard] = [Present(f"{prefix}a"), Absent(f"{prefix}a"), Absent(f"{prefix}b"), Present(f"{prefix}c")]
    with pytest.raises(GuardFailedError) as raised:
        await registry.commit([Put(f"{prefix}b", b""), Delete(f"{prefix}a")], guards=guards)
    assert raised.value.failed == (Absent(f"{prefix}a"), Present(f"{prefix}c"))
    assert raised.value.revision == revision
    assert [entry.key for entry in (await registry.page(prefix)).entries] == [f"{prefix}a"]


async def test_a_guard_may_be_on_a_key_that_is_written(registry: Registry, prefix: str) -> None:
    key = f"{prefix}a"
    revision = await registry.commit([Put(key, b"")], guards=[Absent(key)])
    await registry.commit([Delete(key)], guards=[UnchangedSince(key, revision), Present(key)])
    assert await registry.get(key) is None


async def test_the_largest_transaction_is_taken_and_a_larger_one_refused(registry: Registry, prefix: str) -> None:
    writes: list[Write] = [Put(f"{prefix}{number}", b"") for number in range(MAX_OPERATIONS)]
    guards: list[Guard] = [Absent(f"{prefix}{number}") for number in range(MAX_OPERATIONS)]
    await registry.commit(writes, guards=guards)
    with pytest.raises(GuardFailedError) as raised:
        await registry.commit(writes, guards=guards)
    assert raised.value.failed == tuple(guards)
    with pytest.raises(ValueError, match="129 writes"):
        await registry.commit([*writes, Put(f"{prefix}more", b"")])
    with pytest.raises(ValueError, match="129 guards"):
        await registry.commit([], guards=[*guards, Absent(f"{prefix}more")])


@pytest.mark.parametrize("size", [MAX_REQUEST_BYTES + 1, 3 * MAX_REQUEST_BYTES])
async def test_more_than_a_request_may_have_is_refused_and_not_written(
    registry: Registry, prefix: str, size: int
) -> None:
    with pytest.raises(RequestTooLargeError):
        await registry.commit([Put(f"{prefix}0", b"small"), Put(f"{prefix}1", b"x" * size)])
    assert await registry.get(f"{prefix}0") is None


async def test_values_may_be_large_and_pages_larger(registry: Registry, prefix: str) -> None:
    value = b"x" * (MAX_REQUEST_BYTES - 100 * 1024)
    for number in range(6):
        await registry.commit([Put(f"{prefix}{number}", value)])
    page = await registry.page(prefix)
    assert [len(entry.value) for entry in page.entries] == [len(value)] * 6
    assert len(await registry.get_many([f"{prefix}{number}" for number in range(6)])) == 6


async def test_a_key_is_written_once_in_a_transaction(registry: Registry, prefix: str) -> None:
    with pytest.raises(ValueError, match="each key once"):
        await registry.commit([Put(f"{prefix}a", b""), Delete(f"{prefix}a")])


async def test_a_guard_on_revision_zero_is_refused(registry: Registry, prefix: str) -> None:
    with pytest.raises(ValueError, match="no key has revision 0"):
        await registry.commit([], guards=[UnchangedSince(f"{prefix}a", Revision(0))])


async def test_a_put_under_a_lease_that_never_was_is_refused_after_the_guards(registry: Registry, prefix: str) -> None:
    key, lease = f"{prefix}a", LeaseID(0x7FFF_0000_1234)
    with pytest.raises(LeaseGoneError) as raised:
        await registry.commit([Put(key, b"", lease)])
    assert raised.value.lease == lease
    with pytest.raises(GuardFailedError):
        await registry.commit([Put(key, b"", lease)], guards=[Present(key)])
    assert await registry.get(key) is None
