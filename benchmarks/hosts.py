"""Three real hosts to measure on, and commands on them that say when they began and ended.

All hosts of a lab share one kernel, and so one clock: times from different hosts, and from here, can be compared.
"""

from __future__ import annotations

import shlex
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy_lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOSTS = ("host1", "host2", "host3")
ENTRY = HOSTS[0]
"""Where fleetctl runs."""
UNIT_FILES = "/srv/bench"
"""A directory of `ENTRY`."""
UNIT_TEXT = "[Unit]\nDescription=Sleeps\n\n[Service]\nExecStart=/bin/sleep infinity\n"

_TIMEOUT = 300.0
_AHEAD = 0.5
"""Seconds within which a command reaches every host, so that all begin it at once."""


@dataclass(frozen=True, slots=True)
class Span:
    """When something began and ended: seconds since the epoch."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


@contextmanager
def fresh_lab() -> Iterator[Lab]:
    """A lab of three hosts of its own, gone at the end."""
    lab = Lab(f"bench-{uuid.uuid4().hex[:6]}")
    try:
        lab.up(len(HOSTS))
        yield lab
    finally:
        lab.down()
        lab.close()


def timed_on(lab: Lab, host: str, script: str) -> Span:
    """Run a shell script on a host and time it there; raises `CommandFailedError` with the end of what it said."""
    return _run_at(lab, host, script, time.time())


def timed_on_all(lab: Lab, scripts: Mapping[str, str]) -> Span:
    """Run a script on each host, all at the same moment; from then until the last of them is done."""
    moment = time.time() + _AHEAD
    with ThreadPoolExecutor(len(scripts)) as pool:
        spans = list(pool.map(lambda host: _run_at(lab, host, scripts[host], moment), scripts))
    return Span(min(span.began for span in spans), max(span.ended for span in spans))


def _run_at(lab: Lab, host: str, script: str, moment: float) -> Span:
    timed = (
        f"while (( ${{EPOCHREALTIME/./}} < {int(moment * 1e6)} )); do sleep 0.002; done; began=$EPOCHREALTIME; "
        f"( {script} ) >/dev/null 2>/run/bench.said; code=$?; echo $began $EPOCHREALTIME; "
        "(( code == 0 )) || tail -n 5 /run/bench.said >&2; exit $code"
    )
    done = lab.exec(host, "bash", "-c", timed, check=True, timeout=_TIMEOUT)
    began, ended = map(float, done.stdout.split())
    return Span(began, ended)


def write_units(lab: Lab, host: str, directory: str, names: list[str]) -> None:
    """Write a unit file of a service that sleeps for each name."""
    text = shlex.quote(UNIT_TEXT)
    script = f"mkdir -p {directory}; cd {directory}; while read -r name; do printf %s {text} >$name; done"
    given = "\n".join(names)
    lab.exec(host, "bash", "-c", f"{script} <<'END'\n{given}\nEND", check=True)


def names_of(count: int, prefix: str = "bench") -> list[str]:
    """The names of so many units."""
    return [f"{prefix}-{number:04}.service" for number in range(count)]


def count_running(lab: Lab, pattern: str = "bench-*.service") -> int:
    """How many units of these names run on the hosts that are up, by their systemd's word."""
    listing = ["systemctl", "list-units", "--state=running", "--plain", "--no-legend", pattern]
    awake = [host.name for host in lab.hosts() if host.status.value == "running"]
    return sum(len(lab.exec(host, *listing, check=True).stdout.splitlines()) for host in awake)


def start_units(lab: Lab, count: int) -> Span:
    """Write so many unit files on `ENTRY` and start them in the cluster; returns when all run."""
    write_units(lab, ENTRY, UNIT_FILES, names_of(count))
    lab.fleetctl("list-machines", host=ENTRY)  # an API that nobody has used for a while is not there
    span = timed_on(lab, ENTRY, f"fleetctl start {UNIT_FILES}/bench-*.service")
    running = count_running(lab)
    assert running == count, f"fleetctl said that {count} units run; systemd says {running}"
    return span


def destroy_units(lab: Lab) -> Span:
    """Destroy every unit; returns when nothing of them is left."""
    span = timed_on(lab, ENTRY, "fleetctl destroy 'bench-*'")
    lab.exec(ENTRY, "rm", "-rf", UNIT_FILES, check=True)
    left = count_running(lab)
    assert not left, f"fleetctl said that all units are destroyed; {left} still run"
    return span
