"""Showing somebody what is done: a sentence, the command, what it says, the time it took."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fleetpy_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WIDTH = 100
"""Characters in a line of a sentence."""


class Narrator:
    """Writes to standard output; in colour on a terminal."""

    def __init__(self, directory: Path) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._directory = directory
        self._began = time.monotonic()
        self._steps = 0

    @contextmanager
    def step(self, sentence: str, *command: str) -> Iterator[None]:
        """Say what comes, show the command that does it, and once it is done the seconds that it took."""
        self._steps += 1
        heading = textwrap.fill(sentence, _WIDTH, initial_indent=f"{self._steps}. ", subsequent_indent="   ")
        self._console.print(f"\n{heading}", style="bold")
        self.command(*command)
        began = time.monotonic()
        yield
        self._console.print(f"   ({time.monotonic() - began:.1f} s)", style="dim")

    def command(self, *command: str) -> None:
        """Show a command as it would be typed."""
        if command:
            self._console.print(f"$ {shlex.join(command)}", style="cyan")
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """Plain words in between."""
        self._console.print(text)

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def run(self, *command: str, environment: Mapping[str, str]) -> None:
        """Run one of fleetpy's own programs and show what it says; raises `LabError` if it fails."""
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [str(program), *command[1:]],
            check=False,
            cwd=self._directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            # On a terminal the program shows itself as it would to its user. In a pipe its lists come as tabs.
            stdout=None if self._console.is_terminal else subprocess.PIPE,
            text=True,
        )
        if done.stdout:
            self._console.print(align(done.stdout), end="")
        if done.returncode != 0:
            raise LabError(f"{shlex.join(command)} gave {done.returncode}")


def align(text: str) -> str:
    """Tab-separated lines with their columns under each other; other lines as they are."""
    rows = [line.split("\t") for line in text.splitlines()]
    columns = max((len(row) for row in rows), default=0)
    widths = [max((len(row[place]) for row in rows if place < len(row) - 1), default=0) for place in range(columns)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)
