"""Telling people what takes so long.

A lab's first `up` takes minutes. `Progress` writes a line for each step, with the time since the start, and in between
shows what is going on: in place on a terminal, as a line every ten seconds elsewhere, so that a log shows life too.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

_LINE_EVERY = 10.0
"""Seconds between two lines about one step where nothing can be shown in place."""


class Progress:
    """Says what is being done on `stream` (standard error unless told otherwise)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._began = time.monotonic()
        self._status: Status | None = None
        self._step = ""
        self._spoke = self._began

    def say(self, sentence: str) -> None:
        """A line of its own: a step that begins or a fact."""
        self._spoke = time.monotonic()
        self._console.print(f"[{self._spoke - self._began:6.1f} s] {sentence}")

    def detail(self, words: str) -> None:
        """What the present step is at; shown in place on a terminal, now and then elsewhere."""
        if self._status is not None:
            self._status.update(f"{self._step}: {words}")
        elif time.monotonic() - self._spoke >= _LINE_EVERY:
            self.say(f"{self._step}: {words}")

    @contextmanager
    def step(self, name: str, remark: str = "") -> Iterator[None]:
        """A step that takes a while; `detail` speaks of it by its name until it ends."""
        outer, self._step = self._step, name
        self.say(f"{name} ({remark})" if remark else name)
        try:
            if self._console.is_terminal and self._status is None:
                with self._console.status(name) as self._status:
                    yield
            else:
                yield
        finally:
            self._step = outer
            if not outer:
                self._status = None
