"""What services on a lab's hosts use of the processors and of memory, between two looks at them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy_lab.lab import Lab

AGENT, SCHEDULER, API, ETCD = "fleet-agent", "fleet-scheduler", "fleet-api", "etcd"
SERVICES = (AGENT, SCHEDULER, API, ETCD, "dbus", "systemd-journald", "init")
_PROGRAM = Path(__file__).with_name("usage_sample.py")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a service used of a host."""

    cpu: float
    """Seconds of the processor."""
    sleeps: int
    """Times that a thread of it went to sleep, to be woken later."""
    rss: int
    """Bytes resident at the end."""
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What each service that runs has used so far; `at` is in seconds of the host's monotonic clock."""

    at: float
    services: Mapping[str, Any]

    def since(self, before: Sample, service: str) -> Usage | None:
        """What the service used since the sample before; None if it did not run all the time."""
        then, now = before.services.get(service), self.services.get(service)
        if then is None or now is None or then["pid"] != now["pid"]:
            return None
        return Usage(now["cpu"] - then["cpu"], now["sleeps"] - then["sleeps"], now["rss"], now["threads"])


def sample(lab: Lab, host: str) -> Sample:
    """Look at every service of a host."""
    said = json.loads(lab.exec(host, "python3", "-c", _PROGRAM.read_text(), *SERVICES, check=True).stdout)
    return Sample(said["at"], said["services"])
