"""What fleetctl says, and where: results to standard output, everything else to standard error.

Colour, alignment and progress are for terminals only; into a pipe or a file goes plain text.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fleetpy_cli.spinner import Spinner

MANY = 2
"""From so many units on, waiting for them shows its progress."""


class Output:
    """Writes lines. `terminal` is whether somebody is watching (None: find out)."""

    def __init__(self, *, terminal: bool | None = None) -> None:
        self._terminal = terminal
        self._colour = False if os.environ.get("NO_COLOR") else terminal
        self._spinner: Spinner | None = None

    @property
    def terminal(self) -> bool:
        """Whether standard output and standard error are both a terminal."""
        return self._terminal if self._terminal is not None else sys.stdout.isatty() and sys.stderr.isatty()

    def line(self, text: str) -> None:
        """A line of the result."""
        self._write(f"{text}\n")

    def text(self, text: str) -> None:
        """Text of the result, without a line break of ours."""
        self._write(text)

    def note(self, text: str) -> None:
        """A line for the person, not for a script."""
        self._write(f"{text}\n", err=True)

    def warn(self, text: str) -> None:
        """A line about what may not be what was meant."""
        self.note(f"{click.style('WARNING:', fg='yellow')} {text}")

    def error(self, text: str) -> None:
        """A line about what did not happen, and why."""
        self.note(f"{click.style('Error:', fg='red')} {text}")

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far it is, on a terminal and for `MANY` or more; gives a function that is told how many are done."""
        if total < MANY or not self.terminal:
            yield lambda _done: None
            return
        from fleetpy_cli.spinner import Spinner  # noqa: PLC0415 - rich takes long to import, and most runs need none

        with Spinner(what, total) as spinner:
            self._spinner = spinner
            try:
                yield spinner.show
            finally:
                self._spinner = None

    def _write(self, text: str, *, err: bool = False) -> None:
        with self._spinner.aside() if self._spinner is not None else nullcontext():
            click.echo(text, nl=False, err=err, color=self._colour)
