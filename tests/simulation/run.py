"""`python -m tests.simulation`: many seeds over all cores, or one of them with the trace of all that happened."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from tests.simulation.trace import LogLines
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 5
"""Seeds that a worker takes at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, metavar="N", help="how many (default 1000)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, metavar="N", help="run this one, and show what happens in it")
    given = parser.parse_args(arguments)
    return replay(given.seed) if given.seed is not None else sweep(given.first, given.seeds)


def replay(seed: int) -> int:
    """One seed, with its trace."""
    world = World(seed)
    with LogLines(world.trace):
        result = world.run()
    sys.stdout.writelines(f"{line}\n" for line in result.trace.lines())
    if result.failure and result.about:
        sys.stdout.write(f"\nOf {result.about} alone:\n")
        sys.stdout.writelines(f"{line}\n" for line in result.trace.lines(about=result.about))
    sys.stdout.write(f"\nseed {seed}: {result.failure or 'every promise was kept'}\n")
    return 1 if result.failure else 0


def sweep(first: int, count: int) -> int:
    """Many seeds; prints those that failed."""
    began = time.monotonic()
    failed = 0
    for seed, failure in failures(range(first, first + count)):
        failed += 1
        sys.stdout.write(f"seed {seed}: {failure}\n  replay: make simulate SEED={seed}\n")
        sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(f"{count} seeds, {failed} failed, in {seconds:.0f} s ({count / seconds:.1f} a second)\n")
    return 1 if failed else 0


def failures(seeds: range) -> Iterator[tuple[int, str]]:
    """Those of the seeds that failed, each with the promise that was broken."""
    # Processes of their own from the beginning: those that are forked off a pytest which has collected everything go
    # through all of its objects with each collection of garbage, and are several times as slow.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=fresh, initializer=_be_quiet) as workers:
        for seed, failure in zip(seeds, workers.map(outcome, seeds, chunksize=_CHUNK), strict=True):
            if failure:
                yield seed, failure


def outcome(seed: int) -> str:
    """The promise that was broken; empty if none was."""
    return World(seed).run().failure


def _be_quiet() -> None:
    logging.disable(logging.CRITICAL)
