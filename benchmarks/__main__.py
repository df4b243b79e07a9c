"""`python -m benchmarks [NAME…]`: run benchmarks, print their tables, and keep what they measured."""

from __future__ import annotations

import importlib
import sys
import time
from typing import TYPE_CHECKING

import click

from benchmarks.names import BENCHMARKS
from benchmarks.report import Options, Report, circumstances, part_busy
from benchmarks.results import read

if TYPE_CHECKING:
    from pathlib import Path

AT_REST = 0.1
"""Up to this part of the processors may be busy before and after a benchmark."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[NAME]…", nargs=-1, type=click.Choice(BENCHMARKS))
@click.option("--quick", is_flag=True, help="Smaller and shorter: to try a benchmark out, not for its figures.")
@click.option("--large", is_flag=True, help="Also the sizes that take minutes: 2,000 units on the lab's hosts.")
def main(names: tuple[str, ...], *, quick: bool, large: bool) -> None:
    """Measure what fleetpy takes, beside what it may take.

    NAME is one or several of planner, cli, scale, start, failover, partition and idle; all of them, if none is given.
    The last four bring up a lab of three hosts each, and need root. What was measured is also written to
    benchmarks/results/NAME.json, and drawn as NAME.svg beside it. benchmarks/README.md says what each measures and how
    long it takes.
    """
    options = Options(quick=quick, large=large)
    for name in names or BENCHMARKS:
        _run(name, options)


def _run(name: str, options: Options) -> None:
    before = part_busy()
    where = circumstances(options)
    began = time.monotonic()
    click.echo(f"{name}: measuring…")
    report: Report = importlib.import_module(f"benchmarks.{name}").run(options)
    seconds = time.monotonic() - began
    after = part_busy()
    path = report.save({**where, "seconds": round(seconds, 1), "busy_before": before, "busy_after": after})
    click.echo(f"\n{report.text()}\n")
    _draw(name, path.parent)
    if max(before, after) > AT_REST:
        click.echo(
            f"WARNING: others used {before:.0%} of the processors just before, and {after:.0%} just after; "
            "seconds measured so say little\n"
        )
    click.echo(f"{name}: {seconds:.0f} s; {path}\n")


def _draw(name: str, directory: Path) -> None:
    try:
        from benchmarks.plots import draw  # noqa: PLC0415 - what is measured is not to have matplotlib in it
    except ModuleNotFoundError as error:
        click.echo(f"no plot is drawn, since {error.name} is missing (make bench installs it; pip install '.[bench]')")
        return
    result = read(name, directory)
    if result is not None:
        draw(result, directory)


if __name__ == "__main__":
    sys.exit(main())
