"""The agent and a real systemd: what it is asked, what it may do meanwhile, and how a host goes down."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest

from fleetpy_lab.host import HostStatus
from tests.support.cluster import HOSTS, PATIENCE, SLEEPER, Cluster, sleeper

SIGNALLED = 20.0
"""Seconds within which a change is published that a signal told of: far below the time between two comparisons."""

LEASES = 25.0
"""Seconds that a machine's lease would not outlast by far."""

STAMPED = """[Service]
ExecStart=/bin/sh -c 'date +%%s.%%N >/var/lib/%n.started; exec sleep infinity'
ExecStop=/bin/sh -c 'sleep 2; date +%%s.%%N >/var/lib/%n.stopped'
"""


def environment(cluster: Cluster, host: str, unit: str) -> dict[str, str]:
    """What the unit's main process has in its environment."""
    told = cluster.said(host, "cat", f"/proc/{cluster.main_pid(host, unit)}/environ")
    return dict(line.split("=", 1) for line in told.split("\0") if line)


def reloads(cluster: Cluster, host: str) -> int:
    """How many times the host's systemd has read its unit files again."""
    return cluster.said(host, "journalctl", "--no-pager", "_PID=1").count("Reloading.")


def stamp(cluster: Cluster, host: str, unit: str, what: str) -> float:
    return float(cluster.said(host, "cat", f"/var/lib/{unit}.{what}"))


def test_a_unit_knows_the_number_of_its_placement_and_it_grows(cluster: Cluster) -> None:
    cluster.fleetctl("start", cluster.write("fenced.service"))
    host = cluster.running()["fenced.service"]
    first = int(environment(cluster, host, "fenced.service")["FLEET_EPOCH"])
    cluster.fleetctl("unload", "fenced.service")
    cluster.fleetctl("start", "fenced.service")
    host = cluster.running()["fenced.service"]
    assert int(environment(cluster, host, "fenced.service")["FLEET_EPOCH"]) > first > 0


def test_what_a_socket_or_a_timer_starts_knows_the_number_of_its_own_placement(cluster: Cluster) -> None:
    told = "/run/told-by-%p"
    beside = "[X-Fleet]\nMachineOf=ask.socket\n"
    cluster.write(
        "ask.socket", f"[Socket]\nListenStream=/run/ask.sock\nExecStartPost=/bin/sh -c 'env >{told}.socket'\n"
    )
    cluster.write("tick.timer", f"[Timer]\nOnActiveSec=100ms\nAccuracySec=10ms\n{beside}")
    for name in ("ask.service", "tick.service"):
        cluster.write(name, f"[Service]\nExecStart=/bin/sh -c 'env >{told}.service; exec sleep infinity'\n{beside}")
    cluster.fleetctl("load", "ask.socket", "ask.service", "tick.timer", "tick.service")
    cluster.fleetctl("start", "ask.socket", "tick.timer")
    host = cluster.placed()["ask.socket"]
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/ask.sock')"
    cluster.lab.exec(host, "python3", "-c", connect, check=True)
    machine = cluster.lab.host(host).machine_id
    for unit in ("ask.socket", "ask.service", "tick.service"):
        key = f"/fleetpy/v1/placements/{machine}/{unit}"
        epoch = json.loads(cluster.said(host, "etcdctl", "get", "--print-value-only", key))["epoch"]
        knows = partial(cluster.said, host, "grep", "-x", f"FLEET_EPOCH={epoch}", f"/run/told-by-{unit}", check=False)
        cluster.lab.wait_until(knows, PATIENCE, f"{unit} knows {epoch}")


def test_new_units_need_no_reload_and_new_texts_one_for_all(cluster: Cluster) -> None:
    names = [cluster.write(f"many-{number}.service") for number in range(30)]
    before = {host: reloads(cluster, host) for host in HOSTS}
    cluster.fleetctl("start", *names)
    assert {host: reloads(cluster, host) for host in HOSTS} == before
    for name in names:
        cluster.write(name, "[Service]\nExecStart=/bin/sleep 100000\n")
    cluster.fleetctl("start", "--replace", *names)
    for host in HOSTS:
        # One, if all of the texts came in one transaction; a second or third one if they did not.
        assert 1 <= reloads(cluster, host) - before[host] <= 3


def test_an_install_section_is_in_force_until_the_unit_is_unloaded(cluster: Cluster) -> None:
    cluster.fleetctl("load", cluster.write("wanted.service", f"{SLEEPER}[Install]\nWantedBy=multi-user.target\n"))
    cluster.fleetctl("start", "wanted.service")
    host = cluster.running()["wanted.service"]
    enabled = cluster.said(host, "systemctl", "is-enabled", "wanted.service").strip()
    wants = cluster.said(host, "ls", "/run/systemd/system/multi-user.target.wants").split()
    assert (enabled, wants) == ("enabled-runtime", ["wanted.service"])
    cluster.fleetctl("unload", "wanted.service")
    for folder in ("/run/systemd/system", "/run/fleet/units", "/run/fleet/agent/applied"):
        assert "wanted" not in cluster.said(host, "ls", "-R", folder)


@pytest.mark.parametrize("upheaval", [("daemon-reexec",), ("restart", "dbus.service")])
def test_an_upheaval_of_systemd_touches_no_unit_and_is_got_over(cluster: Cluster, upheaval: tuple[str, ...]) -> None:
    names = [cluster.write(f"rock-{number}.service") for number in range(3)]
    cluster.fleetctl("start", *names)
    places = cluster.running()
    before = {name: cluster.main_pid(host, name) for name, host in places.items()}
    for host in HOSTS:
        cluster.lab.exec(host, "systemctl", *upheaval, check=True)
    cluster.fleetctl("start", cluster.write("afterwards.service"))
    assert {name: cluster.main_pid(host, name) for name, host in places.items()} == before
    cluster.signal(places["rock-0.service"], "rock-0.service", "KILL")
    cluster.lab.wait_until(
        lambda: "rock-0.service\tfailed" in cluster.fleetctl("list-units", "--fields=unit,active").stdout,
        SIGNALLED,
        "the unit's death is told",
    )


def test_a_bus_that_stands_still_costs_no_lease_touches_no_unit_and_is_got_over(cluster: Cluster) -> None:
    names = [
        cluster.write(f"rock-{number}.service", sleeper() + "[X-Fleet]\nOnPartition=stop\n") for number in range(3)
    ]
    cluster.fleetctl("start", *names)
    places = cluster.running()
    before = {name: cluster.main_pid(host, name) for name, host in places.items()}
    still = places["rock-0.service"]
    cluster.signal(still, "dbus.service", "STOP")
    try:
        cluster.fleetctl(
            "start",
            "--no-block",
            cluster.write("afterwards.service", f"{SLEEPER}[X-Fleet]\nMachineOf=rock-0.service\n"),
        )
        cluster.fleetctl("start", cluster.write("elsewhere.service", f"{SLEEPER}[X-Fleet]\nConflicts=rock-0.service\n"))
        time.sleep(LEASES)
        cluster.until_machines(*HOSTS)
    finally:
        cluster.signal(still, "dbus.service", "CONT")
    cluster.lab.wait_until(
        lambda: cluster.running().get("afterwards.service") == still, PATIENCE, "it is started there"
    )
    assert {name: cluster.main_pid(host, name) for name, host in places.items()} == before


def test_a_unit_that_hangs_in_its_start_does_not_hold_up_the_others(cluster: Cluster) -> None:
    hanging = [cluster.write(f"hang-{number}.service", f"{SLEEPER}Type=notify\n") for number in range(60)]
    cluster.fleetctl("start", "--no-block", *hanging)
    cluster.fleetctl("start", cluster.write("quick.service"))
    cluster.lab.wait_until(lambda: "quick.service" in cluster.running(), PATIENCE, "the other unit runs")
    cluster.fleetctl("destroy", *hanging)


def test_a_host_that_shuts_down_gives_its_units_up_when_they_have_stopped_and_not_before(cluster: Cluster) -> None:
    cluster.fleetctl("start", cluster.write("moving.service", STAMPED))
    leaving = cluster.running()["moving.service"]
    cluster.lab.exec(leaving, "systemctl", "--no-block", "start", "poweroff.target", check=True)
    others = [host for host in HOSTS if host != leaving]
    arrived: list[str] = []

    def moved() -> bool:
        started = "/var/lib/moving.service.started"
        arrived[:] = [host for host in others if cluster.lab.exec(host, "test", "-s", started).returncode == 0]
        return bool(arrived)

    cluster.lab.wait_until(moved, PATIENCE, "the unit runs elsewhere")
    started = stamp(cluster, arrived[0], "moving.service", "started")
    cluster.lab.wait_until(lambda: cluster.lab.host(leaving).status is HostStatus.DEAD, PATIENCE, f"{leaving} is off")
    cluster.lab.revive(leaving)
    stopped = stamp(cluster, leaving, "moving.service", "stopped")
    # Well before the lease (10 s) would have expired by itself, and never before the unit had stopped.
    assert stopped < started < stopped + 7
