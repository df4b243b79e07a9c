"""`python -m benchmarks.page`: what was measured last goes into docs/performance.md.

Each result in `benchmarks/results/` is kept in `docs/performance/`, without its single runs, and drawn there; those of
benchmarks that were not run again stay. Then the page's table is made anew from all that are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.names import BENCHMARKS
from benchmarks.results import KEPT, keep, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.report import Target
    from benchmarks.results import Result

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- python -m benchmarks.page writes this -->", "<!-- to here -->"


def table(results: Sequence[Result]) -> str:
    """The page's table, and when each benchmark ran."""
    return "\n".join([*_figures(results), "", *_runs(results)]) + "\n"


def _figures(results: Sequence[Result]) -> Iterator[str]:
    yield "| what | the original | measured | beside it, in the same run | target | `python -m benchmarks …` |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for result in results:
        for target in result.targets:
            yield f"| {' | '.join((*_cells(target), f'`{_command(result)}`'))} |"


def _cells(target: Target) -> tuple[str, ...]:
    measured = target.figure(target.measured)
    mark = {True: "", False: ": **missed**", None: ""}[target.met]
    return target.what, target.original, measured, target.beside, target.bound + mark


def _command(result: Result) -> str:
    return f"{result.name} --large" if result.where["options"]["large"] else result.name


def _runs(results: Sequence[Result]) -> Iterator[str]:
    yield "| benchmark | began (UTC) | at commit | processors that others used, before and after | cores | Python |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for result in results:
        where = result.where
        began = where["began"][:16].replace("T", " ")
        busy = f"{where['busy_before']:.0%}, {where['busy_after']:.0%}"
        cells = (result.name, began, where["commit"], busy, str(where["cores"]), where["python"])
        yield f"| {' | '.join(cells)} |"


def with_table(page: str, results: Sequence[Result]) -> str:
    """The page with a new table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(results)}\n{END}{after}"


def kept() -> list[Result]:
    """Every result that the page shows, in the order of the benchmarks."""
    return [result for name in BENCHMARKS if (result := read(name, KEPT)) is not None]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Put what was measured last into docs/performance.md, with its plots."""
    from benchmarks.plots import draw  # noqa: PLC0415 - who checks the page needs no matplotlib

    taken = [name for name in BENCHMARKS if keep(name)]
    results = kept()
    for result in results:
        draw(result, KEPT)
    PAGE.write_text(with_table(PAGE.read_text(), results))
    click.echo(f"{PAGE}: taken from benchmarks/results: {', '.join(taken) or 'nothing'}")


if __name__ == "__main__":
    sys.exit(main())
