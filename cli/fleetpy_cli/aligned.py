"""A list as a table on a terminal: aligned, coloured, and no wider than the terminal unless shown in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNBOUNDED = 10_000
"""Columns; wider than any list."""


def show_aligned(
    header: Sequence[str] | None, cells: Sequence[Sequence[str]], styles: Sequence[Sequence[str]], *, full: bool
) -> None:
    """Write a table, which has a header or rows, to standard output; what does not fit is cut off, unless `full`."""
    console = Console(highlight=False, width=_UNBOUNDED if full else None)
    table = Table(box=None, pad_edge=False, show_header=header is not None, header_style="bold")
    for title in header or [""] * len(cells[0]):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for texts, colours in zip(cells, styles, strict=True):
        table.add_row(*(Text(text, style=colour) for text, colour in zip(texts, colours, strict=True)))
    console.print(table)
