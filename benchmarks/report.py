"""What a benchmark hands back, how it is printed, and where it is kept."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RESULTS = Path(__file__).with_name("results")

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Options:
    """How much is to be measured."""

    quick: bool = False
    """Smaller sizes and fewer repetitions: for trying a benchmark out, not for its figures."""
    large: bool = False
    """Also the sizes that take minutes."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the key in its rows, its head, and how numbers look in it (a format specification)."""

    key: str
    title: str
    number: str = ""

    def text(self, cell: Cell) -> str:
        """The cell as it is printed; `-` where nothing was measured."""
        if cell is None:
            return "-"
        return cell if isinstance(cell, str) else format(cell, self.number)


@dataclass(frozen=True, slots=True)
class Table:
    """Measurements; a row has a cell for every column."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Cell]]

    def lines(self) -> Iterator[str]:
        """The table as text: words to the left, numbers to the right."""
        heads = [column.title for column in self.columns]
        body = [[column.text(row[column.key]) for column in self.columns] for row in self.rows]
        widths = [max(map(len, cells)) for cells in zip(heads, *body, strict=True)]
        left = [all(isinstance(row[column.key], str) for row in self.rows) for column in self.columns]
        yield self.title
        for cells in (heads, ["-" * width for width in widths], *body):
            aligned = (
                cell.ljust(width) if to_the_left else cell.rjust(width)
                for cell, width, to_the_left in zip(cells, widths, left, strict=True)
            )
            yield "  " + "  ".join(aligned).rstrip()


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that was measured, beside what the design asks for: a row of the table in docs/performance.md."""

    what: str
    limit: float | None
    """What it may be; None where nothing is asked for."""
    measured: float
    unit: str
    at_least: bool = False
    """For rates: the measured figure must not be smaller. All others must not be larger."""
    number: str = ".3g"
    original: str = ""
    """What the original fleet took for the same."""
    beside: str = ""
    """What was measured beside it in the same run: the least that is possible, or what the figure is made of."""

    @property
    def met(self) -> bool | None:
        """Whether the measured figure is within the limit, if there is one."""
        if self.limit is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def figure(self, value: float) -> str:
        """A value with its unit."""
        return f"{format(value, self.number)} {self.unit}".rstrip()

    @property
    def bound(self) -> str:
        """What it may be, in words; empty where nothing is asked for."""
        return "" if self.limit is None else f"at {'least' if self.at_least else 'most'} {self.figure(self.limit)}"

    def line(self) -> str:
        """The target in one line."""
        mark = {True: "met", False: "MISSED", None: ""}[self.met]
        more = [part for part in (self.bound, self.beside) if part]
        return f"  {mark:6}  {'; '.join([f'{self.what}: {self.figure(self.measured)}', *more])}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that one benchmark measured."""

    name: str
    tables: Sequence[Table]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()
    raw: Mapping[str, object] = field(default_factory=dict)
    """Everything that was measured, for the file alone."""

    def text(self) -> str:
        """The report as it is printed."""
        parts = ["\n".join(table.lines()) for table in self.tables]
        if self.targets:
            parts.append("\n".join(["Targets", *(target.line() for target in self.targets)]))
        parts += [f"Note: {note}" for note in self.notes]
        return "\n\n".join(parts)

    def save(self, where: Mapping[str, object], directory: Path = RESULTS) -> Path:
        """Write the report as JSON, over the last one of its name; gives the file."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.name}.json"
        targets = [{**asdict(target), "met": target.met} for target in self.targets]
        tables = [{"title": table.title, "rows": [dict(row) for row in table.rows]} for table in self.tables]
        document = {
            "benchmark": self.name,
            "where": dict(where),
            "tables": tables,
            "targets": targets,
            "notes": list(self.notes),
            "raw": dict(self.raw),
        }
        path.write_text(json.dumps(document, indent=2) + "\n")
        return path


def circumstances(options: Options) -> dict[str, object]:
    """When, on what, and with what is measured."""
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "fleetpy": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "options": asdict(options),
    }


def part_busy(seconds: float = 1.0) -> float:
    """Which part of the processors others use, from 0 to 1, while this process sleeps for some seconds."""
    idle, total = _processor_times()
    time.sleep(seconds)
    idle_then, total_then = _processor_times()
    return 1 - (idle_then - idle) / (total_then - total)


def _processor_times() -> tuple[int, int]:
    """The time that processors were idle (waiting for disks included), and all of it: proc(5), `/proc/stat`."""
    fields = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
    return fields[3] + fields[4], sum(fields)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """The checkout's commit, `+` if files differ from it; empty where there is no git to ask."""
    git = ["git", "-C", str(Path(__file__).parent), "-c", "safe.directory=*", "describe", "--always", "--dirty=+"]
    try:
        done = subprocess.run(git, check=False, capture_output=True, text=True)  # noqa: S603 - a fixed command
    except OSError:
        return ""
    return done.stdout.strip()
