"""What has happened in a run, line by line: the same for the same seed, byte for byte."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONG = re.compile(r"\b([0-9a-f]{6})[0-9a-f]{26,34}\b")
_DRAWN = re.compile(r'"session":"[0-9a-f]*",|,"writing":"[0-9a-f]*"')
"""Drawn by real chance, and of no matter."""


class Trace:
    """Keeps everything, unwritten; `clock` gives the seconds since the world began."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: list[tuple[float, str, str, tuple[object, ...]]] = []

    def note(self, who: str, words: str, *values: object) -> None:
        """Something has happened; `words` has a `%s` for each value."""
        self._events.append((self._clock(), who, words, values))

    def lines(self, about: str = "") -> Iterator[str]:
        """Everything in words, or what names this; hashes and ids are cut to six digits."""
        for moment, who, words, values in self._events:
            said = _LONG.sub(r"\1", _DRAWN.sub("", words % values if values else words))
            line = f"{moment:9.4f}  {who:<12} {said}"
            if about in line:
                yield line


class LogLines(logging.Handler):
    """Writes what the product logs into a trace, while it is entered."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.INFO)
        self._trace = trace
        self._loggers = [
            logging.getLogger(name) for name in ("fleetpy", "fleetpy_agent", "fleetpy_scheduler", "fleetpy_api")
        ]

    def emit(self, record: logging.LogRecord) -> None:
        self._trace.note(record.name.removeprefix("fleetpy_").removeprefix("fleetpy.")[-12:], "%s", record.getMessage())

    def __enter__(self) -> Self:
        for logger in self._loggers:
            logger.setLevel(logging.INFO)
            logger.addHandler(self)
            logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        for logger in self._loggers:
            logger.setLevel(logging.NOTSET)
            logger.removeHandler(self)
            logger.propagate = True
