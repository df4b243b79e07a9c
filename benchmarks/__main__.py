"""`python -m benchmarks [NAME…]`: run benchmarks, print their tables, and keep what they measured."""

from __future__ import annotations

import importlib
import sys
import time

import click

from benchmarks.report import Options, Report, circumstances

BENCHMARKS = ("planner", "cli")
"""In the order in which they run. Each is a module with a function `run`."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[NAME]…", nargs=-1, type=click.Choice(BENCHMARKS))
@click.option("--quick", is_flag=True, help="Smaller and shorter: to try a benchmark out, not for its figures.")
@click.option("--large", is_flag=True, help="Also the sizes that take minutes: 2,000 units on the lab's hosts.")
def main(names: tuple[str, ...], *, quick: bool, large: bool) -> None:
    """Measure what fleetpy takes, beside what it may take.

    NAME is one or several of planner and cli; all of them, if none is given. What was measured is also written to
    benchmarks/results/NAME.json. benchmarks/README.md says what each measures and how long it takes.
    """
    options = Options(quick=quick, large=large)
    for name in names or BENCHMARKS:
        _run(name, options)


def _run(name: str, options: Options) -> None:
    where = circumstances(options)
    began = time.monotonic()
    click.echo(f"{name}: measuring…")
    report: Report = importlib.import_module(f"benchmarks.{name}").run(options)
    path = report.save({**where, "seconds": round(time.monotonic() - began, 1)})
    click.echo(f"\n{report.text()}\n\n{name}: {time.monotonic() - began:.0f} s; {path}\n")


if __name__ == "__main__":
    sys.exit(main())
