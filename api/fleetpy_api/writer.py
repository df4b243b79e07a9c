"""Carries out wishes by guarded transactions: many units to one, each unit's fate its own.

A round takes every wish that waits, the first of each unit, decides it by the present picture, and packs the decisions
into transactions that hold only if each unit still is what it was taken for. Where one does not, the picture is let
come up to date and all of that transaction is decided again in the next round; a unit that lost twice goes alone, so
that it cannot hold up others. A unit that keeps losing is refused (503). So it is with a transaction that is too large
for an etcd which takes less than usual; a unit that is too large by itself is refused (413).

A registry that does not answer is waited for (`committer`). If that takes too long, the transaction may have been
written or not. Its units are refused with 503 and those words; nothing that has not been sent yet is sent after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from fleetpy.errors import UnavailableError
from fleetpy.model.records import UnitFileRecord
from fleetpy.registry.protocol import (
    MAX_OPERATIONS,
    Absent,
    Delete,
    GuardFailedError,
    NotSentError,
    Present,
    Put,
    RegistryDeniedError,
    RegistryFullError,
    RequestTooLargeError,
    UnchangedSince,
)
from fleetpy_api.catch_up import Revised, catch_up
from fleetpy_api.committer import MAX_GUARDS, Committer, deadline
from fleetpy_api.decide import Decision, Status, decide, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fleetpy.ids import Revision, UnitHash, UnitName
    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Guard, Registry, Write
    from fleetpy_api.decide import Author, Known
    from fleetpy_api.metrics import Metrics
    from fleetpy_api.wishes import Wish

MAX_ATTEMPTS = 6
"""How many times a wish is decided before it is given up."""
TOGETHER_ATTEMPTS = 2
"""How many times a wish shares its transaction with others."""
PARALLEL = 4
"""Transactions in flight: etcd commits what arrives together with one write to disk."""
MAX_BYTES = 1024 * 1024
"""Bytes of keys and values in a transaction; etcd refuses requests of more than 1.5 MiB."""
BREATH = 200
"""How many wishes are decided before other requests have their turn."""


class UnitPicture(Revised, Protocol):
    """What the cluster has, as far as it is known here."""

    def known(self, name: UnitName) -> Known | None:
        """The unit, if there is one."""
        ...


@dataclass(slots=True)
class _Job:
    """A wish on its way."""

    index: int
    wish: Wish
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class _Decided:
    job: _Job
    decision: Decision


@dataclass(slots=True)
class _Transaction:
    """Decisions that are written together."""

    decided: list[_Decided] = field(default_factory=list)
    writes: dict[str, Write] = field(default_factory=dict)
    guards: dict[str, Guard] = field(default_factory=dict)
    bytes: int = 0

    @property
    def jobs(self) -> list[_Job]:
        return [one.job for one in self.decided]

    def add(self, decided: _Decided, guard: Guard, writes: Sequence[Write]) -> bool:
        """Take these with the others if they fit; a unit file that is there already costs nothing."""
        new = [write for write in writes if write.key not in self.writes]
        size = self.bytes + sum(map(_size, new))
        if self.decided and (
            len(self.guards) >= MAX_GUARDS or len(self.writes) + len(new) > MAX_OPERATIONS or size > MAX_BYTES
        ):
            return False
        self.decided.append(decided)
        self.guards[guard.key] = guard
        self.writes.update((write.key, write) for write in new)
        self.bytes = size
        return True


@dataclass(slots=True)
class _Batch:
    """Everything about one call of `apply`."""

    decisions: dict[int, Decision]
    revision: Revision
    """How far the picture must have come to show what was written."""
    seen: Revision
    """How far the picture must have come before what was lost is decided again."""
    until: float
    """How long the registry is waited for, by the loop's clock."""
    lost: list[_Job] = field(default_factory=list)
    away: UnavailableError | None = None


class UnitWriter:
    """Writes units and their files."""

    def __init__(self, registry: Registry, keys: Keys, picture: UnitPicture, metrics: Metrics) -> None:
        self._committer = Committer(registry, keys, picture)
        self._keys = keys
        self._picture = picture
        self._metrics = metrics

    async def apply(self, wishes: Iterable[Wish], author: Author) -> tuple[list[Decision], Revision]:
        """Carry out the wishes; what became of each, and the revision that shows them all.

        The picture shows them when this returns, unless it lags far behind. Several wishes for
        one unit are carried out one after another.
        """
        waiting = deque(_Job(index, wish) for index, wish in enumerate(wishes))
        batch = _Batch({}, self._picture.revision, self._picture.revision, deadline())
        while waiting:
            round_, waiting = _first_of_each(waiting)
            await self._round(round_, author, batch)
            if not await catch_up(self._picture, max(batch.revision, batch.seen)):
                batch.decisions.update(
                    _all_refused(batch.lost, "it was changed by others meanwhile, and is not seen yet")
                )
                batch.lost = []
            waiting.extendleft(reversed(batch.lost))
            batch.lost = []
        return [batch.decisions[index] for index in range(len(batch.decisions))], batch.revision

    async def _round(self, jobs: Sequence[_Job], author: Author, batch: _Batch) -> None:
        """Decide and write each of these wishes once."""
        slots = asyncio.Semaphore(PARALLEL)

        async def send(transaction: _Transaction) -> None:
            async with slots:
                await self._send(transaction, batch)

        decided = await self._decide(jobs, author)
        async with asyncio.TaskGroup() as sending:
            for transaction in self._pack(decided):
                sending.create_task(send(transaction))

    async def _decide(self, jobs: Sequence[_Job], author: Author) -> list[_Decided]:
        decided = []
        for number, job in enumerate(jobs, start=1):
            job.attempts += 1
            known = self._picture.known(job.wish.name.full)
            decided.append(_Decided(job, decide(job.wish, known, author)))
            if number % BREATH == 0:
                await asyncio.sleep(0)
        return decided

    def _pack(self, decided: Iterable[_Decided]) -> Iterator[_Transaction]:
        together = _Transaction()
        files: dict[UnitHash, Put] = {}
        for one in decided:
            guard, writes = self._operations(one, files)
            if one.job.attempts > TOGETHER_ATTEMPTS:
                alone = _Transaction()
                alone.add(one, guard, writes)
                yield alone
                continue
            if not together.add(one, guard, writes):
                yield together
                together = _Transaction()
                together.add(one, guard, writes)
        if together.decided:
            yield together

    def _operations(self, one: _Decided, files: dict[UnitHash, Put]) -> tuple[Guard, list[Write]]:
        """The guard under which a decision was made, and what it writes; `files` are those of this round so far."""
        decision, name = one.decision, one.job.wish.name.full
        key = self._keys.unit(name)
        guard = _guard(key, decision.known)
        writes: list[Write] = []
        if decision.file is not None:
            # Written anew even if it is there: a collector that saw it unused then finds it changed.
            unit_hash = decision.file.hash
            if unit_hash not in files:
                file = UnitFileRecord(text=decision.file.text)
                files[unit_hash] = Put(self._keys.unit_file(unit_hash), file.encode())
            writes.append(files[unit_hash])
        if decision.record is not None:
            writes.append(Put(key, decision.record.encode()))
        elif decision.status is Status.DESTROYED:
            writes.append(Delete(key))
        return guard, writes

    async def _send(self, transaction: _Transaction, batch: _Batch) -> None:
        if batch.away is not None:
            batch.decisions.update(_all_refused(transaction.jobs, f"not written, since {batch.away}"))
            return
        try:
            with self._metrics.operation("set"):
                revision = await self._committer.commit(
                    list(transaction.writes.values()), list(transaction.guards.values()), batch.until
                )
        except GuardFailedError as error:
            batch.seen = max(batch.seen, error.revision)
            self._lose(transaction, batch)
        except RequestTooLargeError as error:
            self._split(transaction, error, batch)
        except UnavailableError as error:
            batch.away = error
            certain = isinstance(error, NotSentError | RegistryFullError | RegistryDeniedError)
            outcome = "not written" if certain else "it may have been written or not"
            batch.decisions.update(_all_refused(transaction.jobs, f"{outcome}, since {error}"))
        else:
            if transaction.writes:
                batch.revision = max(batch.revision, revision)
            batch.decisions.update((one.job.index, one.decision) for one in transaction.decided)

    def _split(self, transaction: _Transaction, error: RequestTooLargeError, batch: _Batch) -> None:
        """Have each wish go by itself; refuse one that did."""
        for one in transaction.decided:
            if len(transaction.decided) == 1:
                words = f"unit {one.job.wish.name.full} is too large: {error}"
                batch.decisions[one.job.index] = refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
            else:
                one.job.attempts = TOGETHER_ATTEMPTS
                batch.lost.append(one.job)

    def _lose(self, transaction: _Transaction, batch: _Batch) -> None:
        """Have the wishes decided again, save those that have been too often."""
        for one in transaction.decided:
            if one.job.attempts < MAX_ATTEMPTS:
                batch.lost.append(one.job)
            else:
                words = f"unit {one.job.wish.name.full} is being changed by others all the time; try again"
                batch.decisions[one.job.index] = refused(HTTPStatus.SERVICE_UNAVAILABLE, words)


def _size(write: Write) -> int:
    return len(write.key) + (len(write.value) if isinstance(write, Put) else 0)


def _guard(key: str, known: Known | None) -> Guard:
    """That a unit still is what it was taken for; of an unreadable one, only that it is there."""
    if known is None:
        return Absent(key)
    return UnchangedSince(key, known.revision) if known.revision is not None else Present(key)


def _first_of_each(jobs: Iterable[_Job]) -> tuple[list[_Job], deque[_Job]]:
    """The first wish for each unit, and the others; both in their order."""
    firsts: dict[UnitName, _Job] = {}
    others: deque[_Job] = deque()
    for job in jobs:
        if job.wish.name.full in firsts:
            others.append(job)
        else:
            firsts[job.wish.name.full] = job
    return list(firsts.values()), others


def _all_refused(jobs: Iterable[_Job], why: str) -> Iterator[tuple[int, Decision]]:
    for job in jobs:
        yield job.index, refused(HTTPStatus.SERVICE_UNAVAILABLE, f"unit {job.wish.name.full}: {why}")
