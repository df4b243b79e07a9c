"""Pages of lists: one revision for all of them, whatever happens in between."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.ids import Revision
from fleetpy_api.errors import RefusedError
from fleetpy_api.pages import KEPT_LISTS, KEPT_SECONDS, Pager, PageToken

KIND = 7


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def entries(*names: str) -> list[tuple[str, str]]:
    return [(name, name.upper()) for name in names]


def pager(limit: int = 2, clock: Clock | None = None) -> Pager[str]:
    return Pager(KIND, limit, clock or Clock())


def test_a_list_that_fits_is_one_page_in_order() -> None:
    page = pager(limit=3).page([], Revision(1), lambda: entries("c", "a", "b"))
    assert (list(page.items), page.next_token) == (["A", "B", "C"], "")


def test_pages_follow_each_other() -> None:
    pages = pager()
    first = pages.page([], Revision(1), lambda: entries("a", "b", "c"))
    second = pages.page([first.next_token], Revision(1), lambda: entries("a", "b", "c"))
    assert (list(first.items), list(second.items), second.next_token) == (["A", "B"], ["C"], "")


def test_later_pages_are_of_the_first_pages_revision() -> None:
    pages = pager()
    first = pages.page([], Revision(1), lambda: entries("a", "b", "c"))
    second = pages.page([first.next_token], Revision(2), lambda: entries("a0", "b0", "bb", "d"))
    assert list(second.items) == ["C"]


def test_a_list_that_is_no_longer_kept_goes_on_behind_the_last_key() -> None:
    clock = Clock()
    pages = pager(clock=clock)
    first = pages.page([], Revision(1), lambda: entries("a", "b", "c", "d"))
    clock.now = KEPT_SECONDS
    second = pages.page([first.next_token], Revision(9), lambda: entries("a", "aa", "bb", "d", "e"))
    assert list(second.items) == ["BB", "D"]
    assert PageToken.decode(second.next_token).revision == 9


def test_a_list_that_is_read_on_stays() -> None:
    clock = Clock()
    pages = pager(limit=1, clock=clock)
    token = pages.page([], Revision(1), lambda: entries("a", "b", "c")).next_token
    for wanted in ("B", "C"):
        clock.now += KEPT_SECONDS - 1
        page = pages.page([token], Revision(2), list)
        assert list(page.items) == [wanted]
        token = page.next_token


def test_only_so_many_lists_are_kept() -> None:
    pages = pager(limit=1)
    tokens = [
        pages.page([], Revision(revision), lambda: entries("a", "b")).next_token
        for revision in range(1, KEPT_LISTS + 2)
    ]
    gone = pages.page([tokens[0]], Revision(99), lambda: entries("a", "new"))
    kept = pages.page([tokens[-1]], Revision(99), lambda: entries("a", "new"))
    assert (list(gone.items), list(kept.items)) == (["NEW"], ["B"])


def test_a_filter_makes_pages_of_what_is_wanted() -> None:
    pages = pager()
    names = entries(*"abcdefgh")

    def is_wanted(item: str) -> bool:
        return item in "BDFH"

    first = pages.page([], Revision(1), lambda: names, is_wanted)
    second = pages.page([first.next_token], Revision(1), lambda: names, is_wanted)
    assert (list(first.items), list(second.items), second.next_token) == (["B", "D"], ["F", "H"], "")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "bogus",
        "EwBMLg==",
        "!!!!",
        "é",
        base64.urlsafe_b64encode(b"\x02" + bytes(11) + b"a").decode(),
        base64.urlsafe_b64encode(b"\x01" + bytes(11) + b"\xff").decode(),
        PageToken(KIND + 1, 2, Revision(1), "a").encode(),
        PageToken(KIND, 3, Revision(1), "a").encode(),
    ],
)
def test_a_token_that_cannot_be_read_is_400(token: str) -> None:
    with pytest.raises(RefusedError, match="cannot be read") as caught:
        pager().page([token], Revision(1), lambda: entries("a"))
    assert caught.value.code == 400


def test_two_tokens_are_400() -> None:
    with pytest.raises(RefusedError, match="more than once"):
        pager().page(["a", "b"], Revision(1), lambda: entries("a"))


@given(names=st.sets(st.text(min_size=1, max_size=5), max_size=40), limit=st.integers(1, 7))
def test_pages_together_are_the_list(names: set[str], limit: int) -> None:
    pages = pager(limit)
    token: list[str] = []
    found: list[str] = []
    while True:
        page = pages.page(token, Revision(1), lambda: [(name, name) for name in names])
        found += page.items
        assert len(page.items) <= limit
        if not page.next_token:
            break
        token = [page.next_token]
    assert found == sorted(names)


@given(
    kind=st.integers(0, 255),
    limit=st.integers(0, 65535),
    revision=st.integers(0, 2**63 - 1),
    after=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_token_reads_as_it_was_written(kind: int, limit: int, revision: int, after: str) -> None:
    token = PageToken(kind, limit, Revision(revision), after)
    assert PageToken.decode(token.encode()) == token


def test_when_the_registry_was_set_back_a_list_is_not_taken_for_another_of_the_same_revision() -> None:
    pages = pager()
    pages.page([], Revision(9), lambda: entries("a", "b", "lost"))
    pages.page([], Revision(8), lambda: entries("a", "b"))
    first = pages.page([], Revision(9), lambda: entries("a", "b", "c"))
    second = pages.page([first.next_token], Revision(9), lambda: entries("a", "b", "c"))
    assert list(second.items) == ["C"]
