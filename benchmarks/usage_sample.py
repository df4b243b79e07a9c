"""Runs on a host of the lab, by itself: what services have used so far, as JSON.

`python3 -c "$(cat usage_sample.py)" SERVICE…`; the service `init` is the first process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_SWITCHES = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")


def main_process(service: str) -> int:
    """The service's main process; 0 if it does not run."""
    if service == "init":
        return 1
    command = ["systemctl", "show", "--property=MainPID", "--value", service]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a fixed command
    return int(done.stdout)


def used(pid: int) -> dict[str, float]:
    """Seconds of CPU, times that one of its threads went to sleep, bytes resident, threads."""
    process = Path("/proc") / str(pid)
    # proc(5): after the name, which ends with the last parenthesis, come fields 3 and on; 14 and 15 are the times.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    status = _fields(process)
    threads = [_fields(thread) for thread in (process / "task").iterdir()]
    voluntary, forced = (sum(int(thread[name]) for thread in threads) for name in _SWITCHES)
    return {
        "cpu": (int(fields[11]) + int(fields[12])) / TICKS,
        "sleeps": voluntary,
        "forced": forced,
        "rss": int(status["VmRSS"].split()[0]) * 1024,
        "threads": len(threads),
    }


def _fields(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


if __name__ == "__main__":
    pids = {service: main_process(service) for service in sys.argv[1:]}
    services = {service: {"pid": pid, **used(pid)} for service, pid in pids.items() if pid}
    sys.stdout.write(json.dumps({"at": time.monotonic(), "services": services}))
