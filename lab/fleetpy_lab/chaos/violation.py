"""A broken promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """Which promise, of which unit, when (seconds of CLOCK_BOOTTIME), and what was seen, in words."""

    promise: str
    unit: str
    at: float
    what: str
