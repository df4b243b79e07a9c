"""An in-memory picture of everything under a prefix, kept up to date.

The mechanism, as that of Kubernetes' informers: read all pages at one revision, then watch from the next one on. On
any doubt (the stream broke, its start was compacted, the store was set back to an older state, the watch is silent
where it should not be) read again, compare with the picture, and tell the differences. So no change is missed, and
none is told twice; what happened and was undone between two reads is never told.

A store that was set back, as by restoring a backup, is told from one that has only gone on by its revision, or by its
name and term (`Store`). It is followed like any other, and the changes say so: what they remove was not removed by
anybody (docs/adr/0012-a-registry-that-was-set-back.md).

A key that was removed and created again between two reads is told as changed, with its new create-revision.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import aclosing
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.ids import Revision
from fleetpy.registry.backoff import Backoff
from fleetpy.registry.protocol import NEWEST, Entry, EventBatch, Page, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetpy.registry.protocol import Registry, Watch

_log = logging.getLogger(__name__)
T = TypeVar("T")

NUDGES = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds of silence after which `at_least` asks for news, and asks again; the last one repeats."""
PER_ENTRY = 100e-6
"""Seconds of silence for each entry of the picture: asking may come to reading all of them, some 10 µs each."""


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """What is different since the changes before: never a key in both, seldom neither (a first read, or a set-back)."""

    revision: Revision
    changed: Mapping[str, T]
    removed: frozenset[str]
    set_back: bool = False
    """The store was set back to an older state since the changes before; these are the differences to that state."""


class View(Generic[T]):
    """The picture: `entries`, as of `revision`.

    `decode` makes a value of an entry. One that it raises `ValueError` for is
    reported once and is as good as absent; so is one that it returns None for, without a word. Belongs to one loop.
    """

    def __init__(
        self,
        registry: Registry,
        prefix: str,
        decode: Callable[[Entry], T | None],
        *,
        page_size: int = 1000,
        backoff: Backoff | None = None,
    ) -> None:
        self._registry = registry
        self._prefix = prefix
        self._decode = decode
        self._page_size = page_size
        self._backoff = backoff or Backoff()
        self._revision = Revision(0)
        self._store = Store()
        self._set_back = 0
        """How many times the store was."""
        self._begun = 0
        """How many readings of everything were begun."""
        self._shown = 0
        """Which of them the picture comes from."""
        self._entries: dict[str, T] = {}
        # What each key was last seen as, readable or not. A number, since values are not kept twice; made of the value
        # too, since a store that was set back may give an old revision to a new value.
        self._seen: dict[str, int | None] = {}
        self._subscribers: list[Callable[[Changes[T]], None]] = []
        self._watch: Watch | None = None
        self._advanced = asyncio.Event()
        self._hurried = asyncio.Event()
        self._trouble = ""

    @property
    def revision(self) -> Revision:
        """How far the picture has come; 0 before the first read."""
        return self._revision

    @property
    def following(self) -> bool:
        """Whether news are told as they happen; False before the first read, and while the registry is away."""
        return self._watch is not None

    @property
    def entries(self) -> Mapping[str, T]:
        """Key to decoded value; a live, read-only mapping."""
        return MappingProxyType(self._entries)

    @property
    def trouble(self) -> str:
        """Why the picture is not being kept up to date at the moment; empty when it is."""
        return self._trouble

    def subscribe(self, callback: Callable[[Changes[T]], None]) -> Callable[[], None]:
        """Call back after each batch, in the loop, when `entries` already shows it; what is returned ends that.

        A callback that raises ends `run` with its error.
        """
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def synced(self) -> None:
        """Wait until everything has been read once."""
        while not self._revision:
            await self._advanced.wait()

    async def at_least(self, revision: Revision) -> None:
        """Wait until the picture has come as far as `revision`; for ever if the store never does.

        A watch of an idle prefix says nothing, so after a moment it is asked, or else everything is read again. One
        that speaks, and is only behind, is let speak: to read again then would put it further behind. If the store is
        set back meanwhile the wait is over too: the revision is of a past that is no more.
        """
        loop = asyncio.get_running_loop()
        nudges = iter(NUDGES)
        nudge = NUDGES[0]
        set_back = self._set_back
        while self._revision < revision and self._set_back == set_back:
            nudge = next(nudges, nudge)
            patience = max(nudge, min(NUDGES[-1], PER_ENTRY * len(self._entries)))
            try:
                async with asyncio.timeout(patience) as silence:
                    while self._revision < revision and self._set_back == set_back:
                        await self._advanced.wait()
                        silence.reschedule(loop.time() + patience)
            except TimeoutError:
                await self._nudge(trust=nudge == NUDGES[0])

    async def reread(self) -> None:
        """Wait until everything has been read anew, from now on.

        For whoever may have been cut off while the store was set back: a picture of the past may have come further than
        the store now is, and its watch, which is broken, may not have been found to be yet.
        """
        begun = self._begun
        while self._shown <= begun:
            if self._watch is not None:
                await self._watch.aclose()
            else:
                self._hurried.set()
            await self._advanced.wait()

    async def run(self) -> NoReturn:
        """Keep the picture up to date; ends only by cancellation or by an error of a subscriber."""
        while True:
            read = await self._read()
            if read is None:
                await self._pause()
                continue
            self._shown = self._begun
            self._replace(read)
            if not await self._follow():
                await self._pause()

    async def _pause(self) -> None:
        """Wait before the next try, unless somebody knows meanwhile that the registry is back."""
        self._hurried.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.next()):
                await self._hurried.wait()

    async def _read(self) -> Page | None:
        """Everything, at one revision, as one page; None if that did not work."""
        self._begun += 1
        entries: list[Entry] = []
        page = Page((), NEWEST, more=True)
        try:
            while page.more:
                after = entries[-1].key if entries else ""
                page = await self._registry.page(
                    self._prefix, after=after, limit=self._page_size, revision=page.revision
                )
                entries += page.entries
        except (UnavailableError, LostRaceError) as error:
            self._complain("cannot be read", error)
            return None
        return replace(page, entries=tuple(entries))

    async def _follow(self) -> bool:
        """Watch from where the picture is. Ends when there is reason to read again; False if that is a failure."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with aclosing(self._registry.watch(self._prefix, start=Revision(self._revision + 1))) as watch:
            self._watch = watch
            try:
                while isinstance(batch := await _next(watch), EventBatch):
                    self._backoff.reset()
                    self._apply(batch)
            finally:
                self._watch = None
        if batch is None:
            return True
        if loop.time() - started > self._backoff.longest:
            self._backoff.reset()
        self._complain("is no longer watched", batch)
        return False

    async def _nudge(self, *, trust: bool) -> None:
        """Have the watch say how far it is or, if it cannot or is not to be trusted any more, read again."""
        watch = self._watch
        if watch is None:
            self._hurried.set()  # Whoever waits has a revision from the registry, which is to be reached then.
            return
        try:
            asked = trust and await watch.request_progress()
        except UnavailableError:
            asked = False
        if not asked:
            await watch.aclose()

    def _complain(self, trouble: str, error: Exception) -> None:
        self._trouble = f"{self._prefix} {trouble}: {error}"
        # Once for each outage: whatever ends it resets the backoff.
        level = logging.DEBUG if self._backoff.failures else logging.WARNING
        _log.log(level, "%s %s and will be read again: %s", self._prefix, trouble, error)

    def _replace(self, read: Page) -> None:
        """Become what was read, and tell the differences."""
        first, revision = not self._revision, read.revision
        set_back = not first and (revision < self._revision or not read.store.follows(self._store))
        if set_back:
            self._set_back += 1
            before = f"revision {self._revision} of {_words(self._store)}"
            now = f"revision {revision} of {_words(read.store)}"
            _log.warning("%s was set back from %s to %s, as by restoring a backup", self._prefix, before, now)
        self._store = read.store
        news: dict[str, Entry | None] = dict.fromkeys(self._seen)
        news.update((entry.key, entry) for entry in read.entries)
        changes = replace(self._note(revision, news), set_back=set_back)
        if self._backoff.failures:
            changed, removed = len(changes.changed), len(changes.removed)
            _log.info("%s is at revision %d: %d changed, %d removed", self._prefix, revision, changed, removed)
        self._trouble = ""
        self._tell(changes, always=first or set_back)

    def _apply(self, batch: EventBatch) -> None:
        """Become what a batch says; events that were told before (etcd before 3.4.24 repeats some) are passed over."""
        news: dict[str, Entry | None] = {}
        for event in batch.events:
            entry = event if isinstance(event, Entry) else None
            if (event.mod_revision if isinstance(event, Entry) else event.revision) > self._revision:
                news[event.key] = entry
        if batch.revision > self._revision:
            self._tell(self._note(batch.revision, news), always=False)

    def _note(self, revision: Revision, news: Mapping[str, Entry | None]) -> Changes[T]:
        """Take over what keys now are, None for those that are gone; say what that has changed."""
        changed: dict[str, T] = {}
        removed: set[str] = set()
        for key, entry in news.items():
            if self._seen.get(key) == _identity(entry):
                continue
            value = None
            if entry is None:
                del self._seen[key]
            else:
                self._seen[key] = _identity(entry)
                value = self._value(entry)
            if value is not None:
                changed[key] = self._entries[key] = value
            elif self._entries.pop(key, None) is not None:
                removed.add(key)
        self._revision = revision
        return Changes(revision, changed, frozenset(removed))

    def _value(self, entry: Entry) -> T | None:
        try:
            return self._decode(entry)
        except ValueError as error:
            reason = str(error)
            _log.error("%s at revision %d cannot be read and is passed over: %s", entry.key, entry.mod_revision, reason)
            return None

    def _tell(self, changes: Changes[T], *, always: bool) -> None:
        self._advanced.set()
        self._advanced.clear()
        if always or changes.changed or changes.removed:
            for callback in tuple(self._subscribers):
                callback(changes)


async def _next(watch: Watch) -> EventBatch | UnavailableError | LostRaceError | None:
    """The next batch, or what is wrong; None if the watch was closed."""
    try:
        return await anext(watch, None)
    except (UnavailableError, LostRaceError) as error:
        return error


def _words(store: Store) -> str:
    return f"etcd's cluster {store.cluster:x}, term {store.term}"


def _identity(entry: Entry | None) -> int | None:
    return None if entry is None else hash((entry.create_revision, entry.mod_revision, entry.value))
