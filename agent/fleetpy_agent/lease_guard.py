"""`fleet-lease`: lives as long as this host is surely part of the cluster, and not a moment longer.

`fleet-lease.service` runs it. Units with `OnPartition=stop` are bound to that service (`BindsTo=`), so systemd stops
them when it ends, whatever has become of the agent. The agent keeps in a file until when the machine's lease holds, in
seconds of `CLOCK_BOOTTIME` (clock_gettime(2)), which goes on while the host sleeps.

* `fleet-lease watch` is the service: ready while that moment lies ahead, over as soon as it has passed.
* `fleet-lease kill` is what the service leaves behind (`ExecStopPost=`): what is bound to it may take `GRACE` seconds
  to stop in its own way, and is killed then. So there is a bound on the whole, however many commands, time-outs and
  dependencies the units have; the scheduler waits for longer than that (`PlanSettings.stop_bound`).

This must be small and start at once: little of the standard library, and nothing else but `Notifier`.
"""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING

from fleetpy.daemon.notifier import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEADLINE = "/run/fleet/agent/lease"
"""Where the agent says until when."""

TICK = 0.2
"""Seconds between two looks: a host that slept is through with its units so long after it woke."""

SIGN_OF_LIFE = 0.5
"""Seconds between two signs of life for systemd's watchdog."""

LATEST = 2.0
"""Seconds after the last deadline that it knew of when systemd's watchdog kills a guard that gives no sign of life.

As long as the lease holds, a guard that stands still does no harm; the whole host may have done so for a moment.
"""

GRACE = 10.0
"""Seconds for stopping in one's own way."""

GLANCE = 0.5
"""Seconds between two looks at what is still up."""

SERVICE = "fleet-lease.service"


def main() -> int:
    """Run it; the exit code."""
    match sys.argv[1:]:
        case ["watch"]:
            sys.stdout.write(watch(DEADLINE, boot_time, time.sleep, Notifier(os.environ).tell) + "\n")
            return 1
        case ["kill"]:
            return kill(SystemCtl().run, boot_time, time.sleep)
    sys.stderr.write(f"usage: fleet-lease watch|kill (what {SERVICE} runs)\n")
    return 2


def boot_time() -> float:
    """Seconds since the host was started, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def watch(path: str, clock: Callable[[], float], sleep: Callable[[float], None], tell: Callable[[str], None]) -> str:
    """Wait until the deadline in the file has passed; in words, what happened. `tell` is given sd_notify(3)'s words."""
    deadline, told_at = read_deadline(path, -math.inf), -math.inf
    if deadline <= clock():
        return "this host is not part of the cluster now"
    tell("READY=1")
    while True:
        deadline = read_deadline(path, deadline)
        now = clock()
        if now >= deadline:
            return "this host has lost the cluster: its lease may be gone by now"
        if now - told_at >= SIGN_OF_LIFE:
            tell(f"WATCHDOG=1\nWATCHDOG_USEC={round((deadline - now + LATEST) * 1_000_000)}")
            told_at = now
        sleep(min(TICK, deadline - now))


def read_deadline(path: str, before: float) -> float:
    """The deadline in the file; the one known before where there is none that can be read."""
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 - pathlib is half of what this program would need
            deadline = float(file.read())
    except (OSError, ValueError):
        return before
    return deadline if deadline < math.inf else before  # which NaN is not either


class SystemCtl:
    """Asks systemctl(1), which reaches systemd without the bus."""

    def run(self, arguments: Sequence[str]) -> str:
        """What it printed. Raises `OSError` if there was no answer."""
        import subprocess  # noqa: PLC0415 - a megabyte, of which `watch` has no use

        try:
            done = subprocess.run(  # noqa: S603 - unit names do not begin with a hyphen that means something
                ["systemctl", *arguments],  # noqa: S607 - by the service's own PATH
                check=False,
                capture_output=True,
                text=True,
                timeout=GRACE / 2,
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(str(error)) from error
        return done.stdout


def kill(run: Callable[[Sequence[str]], str], clock: Callable[[], float], sleep: Callable[[float], None]) -> int:
    """Wait until all that is bound to the service is down, and from `GRACE` seconds on kill what is not."""
    end = clock() + GRACE
    while True:
        try:
            units = _still_up(run)
            if not units:
                return 0
            if clock() >= end:
                sys.stdout.write(f"killing what did not stop in {GRACE:g} s: {' '.join(units)}\n")
                sys.stdout.flush()
                run(["kill", "--signal=KILL", "--", *units])
        except OSError as error:
            sys.stdout.write(f"systemd did not answer: {error}\n")
        sleep(GLANCE)


def _still_up(run: Callable[[Sequence[str]], str]) -> list[str]:
    bound = run(["show", "--property=BoundBy", "--value", SERVICE]).split()
    if not bound:
        return []
    found = []
    for block in run(["show", "--property=Id,ActiveState", "--", *bound]).strip().split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if fields.get("ActiveState", "inactive") not in {"inactive", "failed"}:
            found.append(fields.get("Id", ""))
    return found


if __name__ == "__main__":
    sys.exit(main())
