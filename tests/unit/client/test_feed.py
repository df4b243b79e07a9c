"""A feed of events from sources that break off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy.client.errors import ApiRefusedError, ApiUnreachableError
from fleetpy.client.feed import Began, EventFeed, Interrupted
from fleetpy.schemas.fleetpy_v1 import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fleetpy.client.cluster_api import EventSource
    from fleetpy.client.feed import Item

SYNCED = Event("synced", 1)
HEARTBEAT = Event("heartbeat", 2)


class Source:
    """Gives events, then ends or breaks off."""

    def __init__(self, *events: Event | Exception) -> None:
        self._events = events
        self.stopped = False

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event

    def stop(self) -> None:
        self.stopped = True


def in_turn(*sources: EventSource) -> Callable[[], EventSource]:
    return iter(sources).__next__


def take(feed: EventFeed, count: int) -> list[Item]:
    items: list[Item] = []
    while len(items) < count:
        items += feed.take(10)
    return items


def test_a_stream_that_breaks_off_is_opened_again() -> None:
    away = ApiUnreachableError("gone")
    with EventFeed(in_turn(Source(SYNCED, away), Source(SYNCED, HEARTBEAT))) as feed:
        items = take(feed, 6)
    assert items[:6] == [Began(), SYNCED, Interrupted(away), Began(), SYNCED, HEARTBEAT]


def test_a_stream_that_the_server_ends_is_opened_again() -> None:
    with EventFeed(in_turn(Source(SYNCED), Source(SYNCED))) as feed:
        items = take(feed, 4)
    assert [type(item) for item in items[:4]] == [Began, Event, Interrupted, Began]


def test_an_api_that_stays_away_is_given_up() -> None:
    away = ApiUnreachableError("gone")
    with EventFeed(lambda: Source(away), patience=0) as feed, pytest.raises(ApiUnreachableError, match="gone"):
        feed.take(10)


def test_what_came_before_the_end_is_given_first() -> None:
    with EventFeed(in_turn(Source(SYNCED, ApiRefusedError(400, "no")))) as feed:
        assert take(feed, 2) == [Began(), SYNCED]
        for _ in range(2):
            with pytest.raises(ApiRefusedError, match="no"):
                feed.take(10)


def test_nothing_in_time_is_nothing() -> None:
    away = ApiUnreachableError("gone")
    with EventFeed(lambda: Source(away)) as feed:
        assert feed.take(10) == [Interrupted(away)]
        assert feed.take(0) == []


def test_closing_a_feed_stops_its_source() -> None:
    source = Source(SYNCED)
    with EventFeed(lambda: source) as feed:
        take(feed, 1)
    assert source.stopped
