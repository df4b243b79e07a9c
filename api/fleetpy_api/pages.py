"""Lists in pages, all of one revision.

The first page freezes the list; its token carries the revision and the key that the next page starts behind. A frozen
list is kept for a while after its last use, and only so many of them; when it is gone, the next page is made from the
present, behind the same key, so that a slow reader sees nothing twice and misses nothing that stayed.

A token is URL-safe base64 of a version, the kind of list, the page size, the revision and the key. The original's
tokens were a page number and a size: meaningless here, so they are refused (400), as is any that was tampered with.
"""

from __future__ import annotations

import base64
import binascii
import struct
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypeVar

from fleetpy.ids import Revision
from fleetpy_api.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

KEPT_LISTS = 32
"""How many frozen lists are kept at the most."""
KEPT_SECONDS = 60.0
"""How long a frozen list is kept after its last use."""

_VERSION = 1
_HEAD = struct.Struct("<BBHQ")


def by_key(entry: tuple[str, object]) -> str:
    """What lists are sorted by."""
    return entry[0]


@dataclass(frozen=True, slots=True)
class PageToken:
    """Where a page starts: behind `after`, in the list as of `revision`."""

    kind: int
    limit: int
    revision: Revision
    after: str

    def encode(self) -> str:
        """The token as it stands in `nextPageToken`."""
        head = _HEAD.pack(_VERSION, self.kind, self.limit, self.revision)
        return base64.urlsafe_b64encode(head + self.after.encode()).decode()

    @classmethod
    def decode(cls, text: str) -> PageToken:
        """Read a token; raises `ValueError`."""
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("it is not URL-safe base64") from error
        if len(raw) < _HEAD.size:
            raise ValueError("it is too short")
        version, kind, limit, revision = _HEAD.unpack_from(raw)
        if version != _VERSION:
            raise ValueError("it is not one of fleetpy's")
        return cls(kind, limit, Revision(revision), raw[_HEAD.size :].decode())


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A frozen list in the order of its keys."""

    keys: Sequence[str]
    items: Sequence[T]

    @classmethod
    def freeze(cls, entries: Iterable[tuple[str, T]]) -> Listing[T]:
        """Sort entries by key."""
        ordered = sorted(entries, key=by_key)
        return cls([key for key, _ in ordered], [item for _, item in ordered])


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T]):
    """Some items of a list, and the token of the next page (empty on the last)."""

    items: Sequence[T]
    next_token: str


@dataclass(slots=True)
class _Kept(Generic[T]):
    listing: Listing[T]
    until: float


class Pager(Generic[T]):
    """Pages of one kind of list. `kind` (0 to 255) marks its tokens; `clock` gives monotonic seconds."""

    def __init__(self, kind: int, limit: int, clock: Callable[[], float]) -> None:
        self._kind = kind
        self._limit = min(limit, 0xFFFF)
        self._clock = clock
        self._kept: OrderedDict[Revision, _Kept[T]] = OrderedDict()
        self._newest = Revision(0)

    def page(
        self,
        tokens: Sequence[str],
        revision: Revision,
        present: Callable[[], Iterable[tuple[str, T]]],
        wanted: Callable[[T], bool] = lambda _item: True,
    ) -> ListPage[T]:
        """The page that `tokens` (the values of `nextPageToken`; none: the first page) ask for.

        `present` gives the whole list as of `revision`. Raises `RefusedError` (400) for a token that can't be read.
        """
        token = self._read(tokens)
        if revision < self._newest:
            self._kept.clear()  # The registry was set back: its revisions will come to stand for other lists.
        self._newest = revision
        after = token.after if token else ""
        at = token.revision if token and self._find(token.revision) else revision
        listing = self._find(at) or Listing.freeze(present())
        items: list[T] = []
        last = after
        for index in range(bisect_right(listing.keys, after) if token else 0, len(listing.keys)):
            if not wanted(listing.items[index]):
                continue
            if len(items) == self._limit:
                self._keep(at, listing)
                return ListPage(items, PageToken(self._kind, self._limit, at, last).encode())
            items.append(listing.items[index])
            last = listing.keys[index]
        return ListPage(items, "")

    def _read(self, tokens: Sequence[str]) -> PageToken | None:
        if not tokens:
            return None
        if len(tokens) > 1:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "nextPageToken is given more than once; give the last one only")
        try:
            token = PageToken.decode(tokens[0])
        except ValueError as error:
            raise _unreadable(tokens[0], str(error)) from error
        if (token.kind, token.limit) != (self._kind, self._limit):
            raise _unreadable(tokens[0], "it is of another list")
        return token

    def _find(self, revision: Revision) -> Listing[T] | None:
        now = self._clock()
        while self._kept and (len(self._kept) > KEPT_LISTS or next(iter(self._kept.values())).until <= now):
            self._kept.popitem(last=False)
        kept = self._kept.get(revision)
        return kept.listing if kept else None

    def _keep(self, revision: Revision, listing: Listing[T]) -> None:
        self._kept[revision] = _Kept(listing, self._clock() + KEPT_SECONDS)
        self._kept.move_to_end(revision)


def _unreadable(token: str, problem: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST, f"nextPageToken {token!r} cannot be read: {problem}; start again with the first page"
    )
