"""Seconds and bytes of a call, and how figures grow."""

from __future__ import annotations

import gc
import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""proc(5): sets VmHWM to VmRSS."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What some calls of one function took."""

    seconds: tuple[float, ...]
    """Of the clock on the wall, for each call."""
    cpu: tuple[float, ...]
    """Of the processor, for each call: fewer than on the wall where others want the processor too."""
    peak: int
    """By how many bytes the first call raised the resident set at its highest."""

    @property
    def median(self) -> float:
        """Seconds of a usual call."""
        return statistics.median(self.seconds)

    @property
    def usual_cpu(self) -> float:
        """Seconds of the processor of a usual call."""
        return statistics.median(self.cpu)

    @property
    def best(self) -> float:
        """Seconds of the call that was disturbed the least."""
        return min(self.seconds)

    @property
    def least_cpu(self) -> float:
        """Seconds of the processor of the call that was disturbed the least."""
        return min(self.cpu)


def timed(function: Callable[[], T], *, at_least: int, at_most: int, budget: float) -> tuple[T, Timing]:
    """Call the function again and again, `at_least` times and then until `budget` seconds are spent or `at_most` is
    reached; gives its first result and the timing.

    Python's garbage collector is on, as it is in a daemon; what earlier calls left is collected between the calls.
    """
    gc.collect()
    _CLEAR.write_text(_RESET_PEAK)
    before = resident()
    result, *first = _call(function)
    peak = max(0, _status("VmHWM") - before)
    took = [first]
    while len(took) < at_least or (len(took) < at_most and sum(wall for wall, _ in took) < budget):
        gc.collect()
        _, *another = _call(function)
        took.append(another)
    seconds, cpu = zip(*took, strict=True)
    return result, Timing(seconds, cpu, peak)


def together(timings: Sequence[Timing]) -> Timing:
    """Calls that were timed one by one."""
    seconds = tuple(second for timing in timings for second in timing.seconds)
    cpu = tuple(second for timing in timings for second in timing.cpu)
    return Timing(seconds, cpu, max(timing.peak for timing in timings))


def _call(function: Callable[[], T]) -> tuple[T, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return _status("VmRSS")


def exponent(small: tuple[float, float], large: tuple[float, float]) -> float:
    """The e in y ~ x**e through two points (x, y): 1 is growth in line, 2 is quadratic."""
    (x1, y1), (x2, y2) = small, large
    return math.log(y2 / y1) / math.log(x2 / x1)


def _status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(f"{_STATUS} has no {field}")
