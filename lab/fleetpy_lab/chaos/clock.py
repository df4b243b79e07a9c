"""The one clock of a lab: all hosts and the program that breaks them read the same."""

from __future__ import annotations

import time


def boot_time() -> float:
    """Seconds of CLOCK_BOOTTIME, what stands in /proc/uptime."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
