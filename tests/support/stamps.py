"""Units on real hosts that write down when they run, by the clock that all hosts of a lab share.

Each copy writes its start and its end to a file on its host's disk: `CLOCK_BOOTTIME`, the first number in /proc/uptime.
A copy that dies with its host writes no end.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tests.support.cluster import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.cluster import Cluster

LOGS = "/var/lib/stamps"
FOR_EVER = float("inf")
IGNORES_TERM = "/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'"


def stamped(command: str = "/bin/sleep infinity", *options: str) -> str:
    """A service that writes down when it runs; the options go into its [Service] section."""
    return "\n".join(
        (
            "[Service]",
            *options,
            f"""ExecStartPre=/bin/sh -c 'mkdir -p {LOGS}; echo "start $(cut -d" " -f1 /proc/uptime)" >>{LOGS}/%n'""",
            f"ExecStart={command}",
            f"""ExecStopPost=/bin/sh -c 'echo "stop $(cut -d" " -f1 /proc/uptime)" >>{LOGS}/%n'""",
            "",
        )
    )


def clear(cluster: Cluster) -> None:
    """Forget what was written before."""
    for host in HOSTS:
        cluster.lab.exec(host, "rm", "-rf", LOGS, check=True)


def runs(cluster: Cluster, host: str, unit: str) -> list[tuple[float, float]]:
    """When copies of the unit ran on that host: from when to when, for ever if no end was written."""
    told = cluster.said(host, "sh", "-c", f"echo copies of {unit}; cat {LOGS}/{unit} || true")
    found: list[tuple[float, float]] = []
    for word, stamp in (line.split() for line in told.splitlines()[1:]):
        if word == "start":
            found.append((float(stamp), FOR_EVER))
        elif found and found[-1][1] == FOR_EVER:  # Else it was stopped before it had begun.
            found[-1] = (found[-1][0], float(stamp))
    return found


def assert_never_twice(cluster: Cluster, unit: str, deaths: Iterable[tuple[str, float]] = ()) -> None:
    """No two copies of the unit ran at the same time, on any two hosts; `deaths` are hosts and when they had died."""
    every = sorted(
        (start, min([end, *(died for host_died, died in deaths if host_died == host and died > start)]))
        for host in HOSTS
        for start, end in runs(cluster, host, unit)
    )
    assert every
    for (_, end), (start, _) in pairwise(every):
        assert end <= start, every
