"""A spinner with counts at the bottom of a terminal, which steps aside for lines that are written above it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class Spinner:
    """Shown on standard error while the context lasts, and gone without a trace after it."""

    def __init__(self, what: str, total: int) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def show(self, done: int) -> None:
        """Say how many are done."""
        self._progress.update(self._task, completed=done)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to others while the context lasts."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()
