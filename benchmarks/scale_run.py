"""One run: units from a client's request to reported running, on a control plane of its own."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.scale_client import READY, unit_name
from benchmarks.scale_cluster import API, ETCD, ROOT, SCHEDULER, control_plane, running
from fleetpy.client.own import BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.scale_cluster import ControlPlane, Usage

_KEPT = re.compile("grpc|db_total_size|put_total")
CLIENT, WATCHER = "client", "watcher"
CONTROL_PLANE = (CLIENT, API, SCHEDULER, ETCD)
REAL, STAND_INS = "real", "stand-ins"
MODULES = {REAL: "benchmarks.scale_agents", STAND_INS: "benchmarks.scale_stand_ins"}
SETTLE, REST = 5.0, 10.0
"""Seconds after the last machine has registered; and seconds before each run, in which nothing happens."""
LEAST = 0.01
"""Seconds of the processor, as fine as it is counted."""
PATIENCE = 60.0
SLOWEST = 50
"""Units per second; a run that is slower has failed."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run measured."""

    machines: int
    agents: str
    """Who plays them: `REAL` or `STAND_INS`."""
    units: int
    seconds: float
    """From the first request to the last unit reported running."""
    submitting: float
    to_placed: Sequence[float]
    """For each unit, the seconds from its request to its placement, as a watcher of the API saw it."""
    to_running: Sequence[float]
    used: Usage
    rest: Usage
    """What was used in some seconds before, in which nothing happened."""
    cpu: Mapping[str, float]
    """Seconds of the processor that the units cost, on top of what would have been used at rest; the client and the
    watcher included."""
    memory: Mapping[str, float]
    events: int

    @property
    def busiest(self) -> str:
        """Which part of the control plane would be the first to use up a core."""
        return min(CONTROL_PLANE, key=self._rate)

    @property
    def possible(self) -> float:
        """Units per second if each part of the control plane had a core, and no more than one."""
        return self._rate(self.busiest)

    def _rate(self, name: str) -> float:
        """Units per second that a part of the control plane has a core's time for, beside what it uses at rest."""
        left = 1 - self.rest.cpu.get(name, 0.0) / self.rest.at
        return left * self.units / max(self.cpu[name], LEAST)

    @property
    def raw(self) -> dict[str, object]:
        """Everything, for the file."""
        return {
            "machines": self.machines,
            "agents": self.agents,
            "units": self.units,
            "seconds": self.seconds,
            "submitting": self.submitting,
            "to_placed": [round(seconds, 4) for seconds in self.to_placed],
            "to_running": [round(seconds, 4) for seconds in self.to_running],
            "cpu": dict(self.cpu),
            "rest": {"seconds": self.rest.at, **self.rest.cpu},
            "memory": dict(self.memory),
            "events": self.events,
            "etcd": {name: value for name, value in self.used.etcd.items() if value and _KEPT.search(name)},
        }


def measure(machines: int, units: int, agents: str) -> Run:
    """Run once."""
    patience = PATIENCE + units / SLOWEST
    with control_plane(machines, MODULES[agents]) as plane:
        watch = _client("watch", plane, units)
        with running(watch, ROOT, answers=True) as watcher:
            assert watcher.stdout is not None
            assert watcher.stdout.readline().strip() == READY
            time.sleep(SETTLE)
            resting = plane.usage()
            time.sleep(REST)
            before = plane.usage()
            with running(_client("submit", plane, units), ROOT, answers=True) as client:
                submitted = json.loads(client.communicate(timeout=patience)[0])
            watched = json.loads(watcher.communicate(timeout=patience)[0])
            used, rest = plane.usage().since(before), before.since(resting)
        memory = plane.resident()
    began = [at for at, _ in submitted["requests"]]
    sent = {unit_name(number): began[number // BATCH_SIZE] for number in range(units)}
    return Run(
        machines=machines,
        agents=agents,
        units=units,
        seconds=max(watched["running"].values()) - submitted["began"],
        submitting=submitted["ended"] - submitted["began"],
        to_placed=sorted(at - sent[name] for name, at in watched["placed"].items()),
        to_running=sorted(at - sent[name] for name, at in watched["running"].items()),
        used=used,
        rest=rest,
        cpu={CLIENT: submitted["cpu"], WATCHER: watched["cpu"], **_beyond_rest(used, rest)},
        memory=memory,
        events=watched["events"],
    )


def _beyond_rest(used: Usage, rest: Usage) -> dict[str, float]:
    return {name: max(0.0, cpu - rest.cpu[name] / rest.at * used.at) for name, cpu in used.cpu.items()}


def _client(work: str, plane: ControlPlane, units: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.scale_client", work, str(plane.socket), str(units)]
