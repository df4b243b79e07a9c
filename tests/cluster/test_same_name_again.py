"""A name that is destroyed and submitted again and again: in the end what was asked for last runs, once."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from fleetpy.client.client import FleetClient
from fleetpy.errors import UnavailableError
from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy.schemas.v1 import UnitOptionEntity
from fleetpy.unit.file import UnitFile
from fleetpy_agent.lease_guard import boot_time
from tests.support.cluster import HOSTS, PATIENCE, Cluster
from tests.support.stamps import assert_never_twice, clear, stamped

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "again.service"
API = "host1"
"""The host whose API is asked all the time."""
FIRST = 100_000


class Loop:
    """Asks for one text after another under the same name."""

    def __init__(self, cluster: Cluster) -> None:
        self.last = FIRST
        """The text that was asked for last: a process with this number among its arguments."""
        self._cluster = cluster
        self._ended = threading.Event()

    def run(self) -> None:
        with FleetClient(self._cluster.lab.endpoint(API)) as client:
            for number in count(FIRST):
                if self._ended.is_set():
                    return
                file = UnitFile.parse(stamped(f"/bin/sleep {number}"))
                options = [UnitOptionEntity(one.section, one.name, one.value) for one in file.options]
                self._insist(client, Change(NAME, "destroy"))
                self._insist(client, Change(NAME, options=options, desiredState="launched"))
                self.last = number

    def passed(self, number: int) -> bool:
        """Whether it has gone on since then."""
        return self.last > number + 2

    def end(self) -> None:
        self._ended.set()

    @staticmethod
    def _insist(client: FleetClient, change: Change) -> None:
        """Ask until it was done: etcd may be without a leader for a moment."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with suppress(UnavailableError):
                (result,) = client.changes([change]).results
                if result.status != "refused":
                    return
        raise AssertionError(f"{change} is not taken")


@contextmanager
def in_a_loop(cluster: Cluster) -> Iterator[Loop]:
    """Ask again and again meanwhile."""
    loop = Loop(cluster)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.end()
        thread.join()


def processes(cluster: Cluster) -> list[tuple[str, int]]:
    """Every process of any text of the name: its host, and the text's number."""
    found = []
    for host in HOSTS:
        lines = cluster.said(host, "pgrep", "-fa", f"^/bin/sleep {FIRST // 1000}[0-9][0-9][0-9]$", check=False)
        found += [(host, int(line.split()[-1])) for line in lines.splitlines()]
    return found


def test_what_was_asked_for_last_runs_once_while_hosts_come_and_go(cluster: Cluster) -> None:
    clear(cluster)
    deaths: list[tuple[str, float]] = []
    with in_a_loop(cluster) as loop:
        for victim in (HOSTS[1], HOSTS[2]):
            asked = loop.last
            cluster.lab.kill(victim)
            deaths.append((victim, boot_time()))
            cluster.signal(API, "fleet-agent.service", "KILL")
            cluster.lab.wait_until(partial(loop.passed, asked), PATIENCE, "it goes on without the host")
            cluster.lab.revive(victim)
            cluster.until_machines(*HOSTS)
    cluster.lab.wait_until(
        lambda: [number for _, number in processes(cluster)] == [loop.last], PATIENCE, "the last one runs, once"
    )
    ((host, _),) = processes(cluster)
    cluster.until_running({NAME: host})
    assert loop.last > FIRST + 50
    assert_never_twice(cluster, NAME, deaths)
