"""Fuzzes the targets by turns, each in a process of its own: what breaks one ends that process alone."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 16384
"""Bytes of an input."""
SLOWEST = 10
"""Seconds that one input may take."""
MOST_MEMORY = 1024
"""MiB that a process may use."""
SHOWN = 25
"""Lines of what a process said last."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    name: str
    code: int
    said: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; the exit code is 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together (default %(default)g)")
    parser.add_argument("--target", action="append", choices=catalogue.NAMES, help="this one alone; may be repeated")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="where inputs are kept (default %(default)s)")
    given = parser.parse_args(arguments)
    names = tuple(given.target or catalogue.NAMES)
    workers = min(len(names), os.cpu_count() or 1)
    seconds = max(1, int(given.minutes * 60 * workers / len(names)))
    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(lambda name: _fuzz(name, seconds, given.keep.resolve()), names))
    broken = [outcome for outcome in outcomes if outcome.code]
    for outcome in broken:
        sys.stdout.write(f"\n{outcome.name} is broken:\n" + "\n".join(outcome.said) + "\n")
    sys.stdout.write(f"\n{len(broken)} of {len(names)} targets broken; inputs are kept in {given.keep.resolve()}\n")
    return bool(broken)


def _fuzz(name: str, seconds: int, keep: Path) -> _Outcome:
    target, folder = catalogue.load(name), keep / name
    grown = folder / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if word))
    command = [
        *(sys.executable, "-m", "tests.fuzz.guided", name),
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        *("-print_final_stats=1", str(grown), str(target.corpus)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - ours
    said = done.stderr.splitlines() + done.stdout.splitlines()
    inputs = next((line.split()[-1] for line in said if line.startswith("stat::number_of_executed_units")), "no")
    verdict = "broken" if done.returncode else "fine"
    sys.stdout.write(f"{name:14} {verdict}: {inputs} inputs in {seconds} s at most\n")
    sys.stdout.flush()
    return _Outcome(name, done.returncode, said[-SHOWN:])


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)
