"""What a person waits for at the prompt: whole runs of `fleetctl`, beside a Python that does nothing.

The lists are asked of the real fleet-api, over a unix socket, with a registry in memory behind it. The commands take
turns, so that a disturbance of the machine meets them all.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks.api_in_memory import READY
from benchmarks.report import Column, Report, Table, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.report import Cell, Options

SIZES = (30, 10_000)
"""Units in the cluster."""
LIMITS = {30: 0.25, 10_000: 1.0}
"""The targets: seconds of `list-units`."""
ORIGINAL = {30: "0.1 s", 10_000: "2.6 s with 2,000"}
ROUNDS = 15
QUICK_ROUNDS = 3

_PYTHON = "python -c pass"


@dataclass(slots=True)
class Command:
    """A command line, and the seconds that its runs took."""

    title: str
    argv: Sequence[str]
    lines: int
    """Lines that it has to print."""
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, environment: Mapping[str, str]) -> None:
        """Run it once more."""
        cpu = _cpu_of_children()
        began = time.perf_counter()
        done = subprocess.run(self.argv, check=True, capture_output=True, env=environment)  # noqa: S603 - ours
        self.wall.append(time.perf_counter() - began)
        self.cpu.append(_cpu_of_children() - cpu)
        assert done.stdout.count(b"\n") == self.lines, f"{self.title} printed {done.stdout[:200]!r}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API alone takes for the question behind `list-units`."""

    units: int
    size: int
    """Bytes."""
    seconds: Sequence[float]


def run(options: Options) -> Report:
    """Measure every command."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    fleetctl = str(Path(sys.executable).with_name("fleetctl"))
    commands = [
        Command(_PYTHON, [sys.executable, "-c", "pass"], 0),
        Command("fleetctl version", [fleetctl, "version"], 1),
    ]
    answers: list[Answer] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetpy-bench-")))
        environment = _environment(directory)
        for units in SIZES:
            socket = directory / f"{units}.sock"
            stack.enter_context(_api(socket, units))
            argv = [fleetctl, f"--endpoint=unix://{socket}", "list-units"]
            commands.append(Command(f"fleetctl list-units ({units:,} units)", argv, units + 1))
        for command in commands:
            command.run(environment)  # compiles what is not compiled yet; not counted
            command.wall.clear()
            command.cpu.clear()
        for _ in range(rounds):
            for command in commands:
                command.run(environment)
        answers += (_ask(directory / f"{units}.sock", units, rounds) for units in SIZES)
    medians = {command.title: statistics.median(command.wall) for command in commands}
    targets = [
        Target(
            f"`fleetctl list-units`, {units:,} units",
            LIMITS[units],
            statistics.median(command.wall),
            "s",
            original=ORIGINAL.get(units, ""),
            beside=f"`{_PYTHON}` {medians[_PYTHON]:.3f} s",
        )
        for units, command in zip(SIZES, commands[-len(SIZES) :], strict=True)
    ]
    raw = {command.title: {"wall": command.wall, "cpu": command.cpu} for command in commands}
    return Report("cli", [_commands_table(commands, medians[_PYTHON]), _answers_table(answers)], targets, raw=raw)


def _environment(directory: Path) -> dict[str, str]:
    """With compiled modules, as an installed fleetctl has them; `make bench` keeps root from leaving them here."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLEETCTL_", "PYTHON"))}
    return {**kept, "PYTHONPYCACHEPREFIX": str(directory / "compiled")}


@contextmanager
def _api(socket: Path, units: int) -> Iterator[None]:
    argv = [sys.executable, "-m", "benchmarks.api_in_memory", str(socket), str(units)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=root) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        assert said == READY, f"the API said {said!r} and not that it is ready"
        try:
            yield
        finally:
            process.terminate()


def _ask(socket: Path, units: int, rounds: int) -> Answer:
    transport = httpx.HTTPTransport(uds=str(socket))
    seconds = []
    size = 0
    with httpx.Client(base_url="http://localhost", transport=transport, timeout=60) as client:
        for _ in range(rounds):
            began = time.perf_counter()
            answer = client.get("/fleetpy/v1/units")
            seconds.append(time.perf_counter() - began)
            answer.raise_for_status()
            size = len(answer.content)
    return Answer(units, size, seconds)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _commands_table(commands: Sequence[Command], python: float) -> Table:
    columns = [
        Column("command", "command"),
        Column("seconds", "seconds", ".3f"),
        Column("best", "best", ".3f"),
        Column("cpu", "cpu", ".3f"),
        Column("ratio", "x python", ".1f"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            "command": command.title,
            "seconds": statistics.median(command.wall),
            "best": min(command.wall),
            "cpu": statistics.median(command.cpu),
            "ratio": statistics.median(command.wall) / python,
        }
        for command in commands
    ]
    title = f"Whole runs, {len(commands[0].wall)} of each in turn: seconds (median, best, and the processor's own)"
    return Table(title, columns, rows)


def _answers_table(answers: Sequence[Answer]) -> Table:
    columns = [
        Column("units", "units", ","),
        Column("size", "bytes", ","),
        Column("seconds", "seconds", ".3f"),
        Column("best", "best", ".3f"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            "units": answer.units,
            "size": answer.size,
            "seconds": statistics.median(answer.seconds),
            "best": min(answer.seconds),
        }
        for answer in answers
    ]
    return Table("Of these, the API's answer to GET /fleetpy/v1/units alone", columns, rows)
