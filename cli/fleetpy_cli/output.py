"""What fleetctl says, and where: results to standard output, everything else to standard error.

Colour, alignment and progress are for terminals only; into a pipe or a file goes plain text.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 2
"""From so many units on, waiting for them shows its progress."""


class Output:
    """Writes lines. `terminal` is whether somebody is watching (None: find out)."""

    def __init__(self, *, terminal: bool | None = None) -> None:
        self._terminal = terminal
        self._colour = False if os.environ.get("NO_COLOR") else terminal

    @property
    def terminal(self) -> bool:
        """Whether standard output and standard error are both a terminal."""
        return self._terminal if self._terminal is not None else sys.stdout.isatty() and sys.stderr.isatty()

    def line(self, text: str) -> None:
        """A line of the result."""
        click.echo(text, color=self._colour)

    def text(self, text: str) -> None:
        """Text of the result, without a line break of ours."""
        click.echo(text, nl=False, color=self._colour)

    def note(self, text: str) -> None:
        """A line for the person, not for a script."""
        click.echo(text, err=True, color=self._colour)

    def warn(self, text: str) -> None:
        """A line about what may not be what was meant."""
        click.echo(f"{click.style('WARNING:', fg='yellow')} {text}", err=True, color=self._colour)

    def error(self, text: str) -> None:
        """A line about what did not happen, and why."""
        click.echo(f"{click.style('Error:', fg='red')} {text}", err=True, color=self._colour)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far it is, on a terminal and for `MANY` or more; gives a function that is told how many are done."""
        if total < MANY or not self.terminal:
            yield lambda _done: None
            return
        from fleetpy_cli.spinner import spinner  # noqa: PLC0415 - rich takes long to import, and most runs need none

        with spinner(what, total) as show:
            yield show
