"""Events, read by a thread of its own, so that whoever waits for them can mind the clock and the keyboard."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from fleetpy.client.errors import ApiUnreachableError
from fleetpy.errors import UnavailableError
from fleetpy.schemas.fleetpy_v1 import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from fleetpy.client.cluster_api import EventSource

PATIENCE = 60.0
"""Seconds without a stream after which an interrupted one is given up."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
"""Seconds before an interrupted stream is opened again: the first time, and at the most; each pause doubles."""

_FAREWELL = 2.0
"""Seconds that closing waits for the thread, which may be in the middle of a request."""


@dataclass(frozen=True, slots=True)
class Began:
    """A stream has begun, the first or another one: the present state of everything follows."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A stream broke off; another will be opened."""

    error: UnavailableError


Item = Event | Began | Interrupted


class EventFeed:
    """A context manager that reads events while it is open.

    A stream that breaks off is opened again and again, until none could be for `patience` seconds.
    """

    def __init__(self, open_source: Callable[[], EventSource], patience: float = PATIENCE) -> None:
        self._open_source = open_source
        self._patience = patience
        self._items: SimpleQueue[Item | BaseException] = SimpleQueue()
        self._ended: BaseException | None = None
        self._lock = threading.Lock()
        self._source: EventSource | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._closed.set()
            if self._source is not None:
                self._source.stop()
        self._thread.join(_FAREWELL)

    def take(self, timeout: float | None = None) -> list[Item]:
        """What has come since the last time; waits up to `timeout` seconds for it (None: for ever), and may be nothing.

        Raises what ended the reading for good: `UnavailableError` when patience ran out, or what the API refused.
        """
        taken: list[Item] = []
        try:
            item = self._ended or self._items.get(timeout=timeout)
            while not isinstance(item, BaseException):
                taken.append(item)
                item = self._items.get_nowait()
        except Empty:
            return taken
        self._ended = item
        if taken:
            return taken
        raise item

    def _run(self) -> None:
        try:
            self._read_for_ever()
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asks for what has come
            self._items.put(error)

    def _read_for_ever(self) -> None:
        pause = FIRST_PAUSE
        give_up_at = None
        while not self._closed.is_set():
            began, error = self._read_once()
            if began:
                pause, give_up_at = FIRST_PAUSE, None
            now = time.monotonic()
            give_up_at = give_up_at or now + self._patience
            if now >= give_up_at:
                raise error
            self._items.put(Interrupted(error))
            self._closed.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _read_once(self) -> tuple[bool, UnavailableError]:
        """Read one stream until it breaks off: whether it had begun at all, and why it ended."""
        began = False
        source = self._open_source()
        with self._lock:
            self._source = source
            if self._closed.is_set():
                source.stop()
        try:
            for event in source:
                if not began:
                    began = True
                    self._items.put(Began())
                self._items.put(event)
        except UnavailableError as error:
            return began, error
        return began, ApiUnreachableError("the API ended the stream of events")
