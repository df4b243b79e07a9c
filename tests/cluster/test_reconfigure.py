"""A new fleet.conf, taken up while everything runs: what changes, and what does not."""

from __future__ import annotations

import subprocess
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import FLEETCTL, HOSTS, PATIENCE, Cluster, sleeper

if TYPE_CHECKING:
    from collections.abc import Iterator

CONF = "/etc/fleet/fleet.conf"
DAEMONS = ("fleet-agent.service", "fleet-scheduler.service", "fleet-api.service")


@pytest.fixture
def configured(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster; afterwards host1 has its configuration of before."""
    before = cluster.said("host1", "cat", CONF)
    yield cluster
    cluster.lab.put("host1", CONF, before)
    cluster.lab.exec("host1", "systemctl", "reload-or-restart", *DAEMONS, check=True)


def configure(cluster: Cluster, *lines: str) -> None:
    """Add lines to host1's configuration."""
    cluster.lab.put("host1", CONF, "\n".join((cluster.said("host1", "cat", CONF).rstrip(), *lines, "")))


def processes(cluster: Cluster) -> dict[tuple[str, str], int]:
    """The main process of each daemon and of each unit of the cluster, by host and unit."""
    found = {(host, daemon): cluster.main_pid(host, daemon) for host in HOSTS for daemon in DAEMONS[:2]}
    for unit, places in cluster.running().items():
        found |= {(host, unit): cluster.main_pid(host, unit) for host in places.split(",")}
    return found


def journal(cluster: Cluster, host: str, daemon: str) -> str:
    return cluster.said(host, "journalctl", "--no-pager", "--output=cat", f"--unit={daemon}", "--boot")


def until_told(cluster: Cluster, daemon: str, words: str, times: int = 1) -> None:
    """Wait until host1's daemon has said this so often."""
    cluster.lab.wait_until(
        lambda: journal(cluster, "host1", daemon).count(words) >= times, PATIENCE, f"{daemon} says {words!r}"
    )


def more_than(items: list[int], number: int) -> bool:
    return len(items) > number


def metadata(cluster: Cluster) -> dict[str, str]:
    lines = cluster.fleetctl("list-machines", "--no-legend", "--full", "--fields=hostname,metadata").stdout.splitlines()
    return dict(line.split("\t") for line in lines)


def test_reloaded_metadata_are_seen_and_place_units_and_no_process_is_another(configured: Cluster) -> None:
    waiting = configured.write("picky.service", sleeper("MachineMetadata=disk=fast"))
    for number in range(3):
        configured.write(f"calm-{number}.service")
    configured.fleetctl("start", "calm-0", "calm-1", "calm-2")
    configured.fleetctl("start", "--no-block", waiting)
    before = processes(configured)
    assert len(before) == 9
    configure(configured, 'metadata="disk=fast"')
    configured.lab.exec("host1", "systemctl", "reload", "fleet.target", check=True)
    configured.lab.wait_until(
        lambda: configured.running().get(waiting) == "host1", PATIENCE, "the unit has found its machine"
    )
    assert metadata(configured) == {"host1": "disk=fast", "host2": "-", "host3": "-"}
    after = processes(configured)
    del after["host1", waiting]
    assert after == before
    for daemon in DAEMONS[:2]:
        assert "starts again with the configuration as it is now" in journal(configured, "host1", daemon)
        shown = configured.said("host1", "systemctl", "show", "--property=ActiveState,SubState,Result", daemon)
        assert set(shown.split()) == {"ActiveState=active", "SubState=running", "Result=success"}


def test_a_broken_configuration_changes_nothing_and_is_named(configured: Cluster) -> None:
    configured.fleetctl("start", configured.write("calm.service"))
    before = processes(configured), metadata(configured)
    configure(configured, "agent_tll=20s")
    number = configured.said("host1", "cat", CONF).count("\n")
    for daemon in DAEMONS:
        # By systemctl, which says that it failed, and by the signal alone, which can only be answered in the journal.
        refused = configured.lab.exec("host1", "systemctl", "reload", daemon)
        assert refused.returncode != 0
        assert f"{daemon.removesuffix('.service')}: {CONF}:{number}: " in journal(configured, "host1", daemon)
        configured.signal("host1", daemon, "HUP")
        until_told(configured, daemon, f"{daemon.removesuffix('.service')} keeps its old configuration")
    assert (processes(configured), metadata(configured)) == before


def test_the_api_answers_throughout_its_reloads(configured: Cluster) -> None:
    configured.fleetctl("start", configured.write("calm.service"))
    pid = configured.main_pid("host1", "fleet-api.service")
    done = threading.Event()
    codes: list[int] = []

    def ask() -> None:
        command = [FLEETCTL, "--endpoint", configured.lab.endpoint("host1"), "list-units"]
        while not done.is_set():
            codes.append(subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE).returncode)  # noqa: S603 - our own program

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(3):
            configured.lab.exec("host1", "systemctl", "reload", "fleet-api.service", check=True)
            asked = len(codes) + 2
            configured.lab.wait_until(partial(more_than, codes, asked), PATIENCE, "it was asked")
    finally:
        done.set()
        asking.join()
    assert set(codes) == {0}
    assert configured.main_pid("host1", "fleet-api.service") == pid


def test_the_leading_scheduler_gives_up_leading_for_its_reload(cluster: Cluster) -> None:
    leader = cluster.leader()
    pid = cluster.main_pid(leader, "fleet-scheduler.service")
    cluster.lab.exec(leader, "systemctl", "reload", "fleet-scheduler.service", check=True)
    cluster.fleetctl("start", cluster.write("late.service"))
    assert cluster.main_pid(leader, "fleet-scheduler.service") == pid


def test_a_reloaded_agent_holds_no_more_files_open_than_before(cluster: Cluster) -> None:
    def reload() -> int:
        words = "took over the registration"
        before = journal(cluster, "host1", "fleet-agent.service").count(words)
        cluster.lab.exec("host1", "systemctl", "reload", "fleet-agent.service", check=True)
        until_told(cluster, "fleet-agent.service", words, before + 1)
        pid = cluster.main_pid("host1", "fleet-agent.service")
        return len(cluster.said("host1", "ls", f"/proc/{pid}/fd").split())

    first = reload()
    # A connection or two may be under way at the moment of a look; what is left behind each time would add up.
    assert max(reload() for _ in range(4)) <= first + 3
