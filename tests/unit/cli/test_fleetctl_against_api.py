"""fleetctl against the real API, with puppets for scheduler and agents."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import MachineID, UnitName
from fleetpy.model.records import BrakeRecord, BrakeReleaseRecord, MachineSettingsRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.protocol import Put
from tests.support.puppet_cluster import KEYS, M1, M2, PuppetCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    Fleetctl = Callable[..., Result]

HELLO = "[Unit]\nDescription=Hello\n\n[Service]\nExecStart=/bin/sleep infinity\n"
OTHER = "[Service]\nExecStart=/bin/sleep 1\n"
FAR = f"{HELLO}\n[X-Fleet]\nMachineMetadata=region=eu\n"
EVERYWHERE = f"{HELLO}\n[X-Fleet]\nGlobal=true\n"
ON_M1 = "on 113f16a7.../172.18.0.3"


@pytest.fixture
def cluster() -> PuppetCluster:
    return PuppetCluster()


@pytest.fixture
def fleet(fleetctl: Fleetctl, cluster: PuppetCluster, here: Path) -> Iterator[Fleetctl]:
    """fleetctl, in an empty folder, with the cluster's endpoint."""
    with cluster.serving(here.with_name("fleet.sock")) as endpoint:
        yield lambda *arguments: fleetctl(*arguments, FLEETCTL_ENDPOINT=endpoint)


def test_a_unit_s_life(fleet: Fleetctl, cluster: PuppetCluster, here: Path) -> None:
    (here / "hello.service").write_text(HELLO)
    told = [
        ("submit", "Unit hello.service inactive\n", ""),
        ("load", f"Unit hello.service loaded {ON_M1}\n", ""),
        ("start", f"Unit hello.service launched {ON_M1}\n", ""),
        ("restart", f"Unit hello.service launched {ON_M1}\n", ""),
        ("cat", HELLO, ""),
        ("stop", f"Unit hello.service loaded {ON_M1}\n", "Successfully stopped units [hello.service].\n"),
        ("unload", "Unit hello.service inactive\n", "Successfully unloaded units [hello.service].\n"),
        ("destroy", "Destroyed hello.service\n", ""),
    ]
    for verb, stdout, stderr in told:
        result = fleet(verb, "hello.service")
        assert (verb, result.exit_code, result.stdout, result.stderr) == (verb, 0, stdout, stderr)
    assert cluster.unit("hello.service") is None


def test_many_units_go_in_batches(fleet: Fleetctl, here: Path) -> None:
    (here / "web@.service").write_text(HELLO)
    names = [f"web@{number}.service" for number in range(450)]
    result = fleet("start", *names)
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == sorted(
        [f"Unit {name} inactive" for name in names] + [f"Unit {name} launched {ON_M1}" for name in names]
    )
    assert fleet("destroy", "web@*").stdout.splitlines() == [f"Destroyed {name}" for name in sorted(names)]


def test_a_unit_without_a_place_waits_and_says_why(fleet: Fleetctl, cluster: PuppetCluster, here: Path) -> None:
    cluster.lead()
    (here / "far.service").write_text(FAR)
    result = fleet("start", "--block-attempts=2", "far.service")
    assert (result.exit_code, result.stdout) == (124, "Unit far.service inactive\n")
    assert result.stderr == (
        "Unit far.service waits: 2 machines lack region=eu\n"
        "Error: gave up waiting for unit far.service; what was asked of it stands (--block-attempts)\n"
    )


def test_a_unit_that_waits_is_stopped_where_it_is_nowhere(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.lead()
    cluster.add("far.service", FAR, UnitGoal.LAUNCHED)
    assert fleet("stop", "far.service").stdout == "Unit far.service inactive\n"


def test_a_unit_that_fails_as_it_starts_is_told(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.add("bad.service", HELLO)
    cluster.reports["bad.service"] = {"active": "failed", "sub": "failed", "result": "exit-code"}
    result = fleet("start", "bad.service")
    assert (result.exit_code, result.stdout) == (1, f"Unit bad.service launched {ON_M1}\n")
    assert result.stderr == (
        "WARNING: Unit bad.service: it failed (exit-code); `fleetctl restart bad.service` starts it again\n"
    )


def test_a_unit_that_systemd_refuses_is_told(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.add("bad.service", HELLO)
    cluster.reports["bad.service"] = {
        "load": "bad-setting",
        "active": "inactive",
        "sub": "dead",
        "problem": "systemd refuses to start it: bad setting",
    }
    result = fleet("start", "bad.service")
    assert result.exit_code == 1
    assert "WARNING: Unit bad.service: systemd refuses to start it: bad setting;" in result.stderr


def test_a_oneshot_that_has_ended_well_is_started(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.add("job.service", HELLO)
    cluster.reports["job.service"] = {"active": "inactive", "sub": "dead"}
    result = fleet("start", "job.service")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"Unit job.service launched {ON_M1}\n", "")


def test_a_replaced_unit_is_waited_for_in_its_new_text(fleet: Fleetctl, cluster: PuppetCluster, here: Path) -> None:
    cluster.add("hello.service", HELLO, UnitGoal.LAUNCHED)
    (here / "hello.service").write_text(OTHER)
    before = cluster.unit("hello.service")
    result = fleet("start", "--replace", "hello.service")
    assert (result.exit_code, result.stdout) == (0, f"Unit hello.service launched {ON_M1}\n")
    after = cluster.unit("hello.service")
    assert before is not None
    assert after is not None
    assert before.hash != after.hash


def test_a_global_unit_is_only_triggered(fleet: Fleetctl, here: Path) -> None:
    (here / "everywhere.service").write_text(EVERYWHERE)
    assert fleet("start", "everywhere").stdout == (
        "Unit everywhere.service inactive\nTriggered global unit everywhere.service start\n"
    )
    assert fleet("restart", "everywhere").stdout == "Triggered global unit everywhere.service restart\n"
    assert fleet("list-units", "--fields", "unit,machine", "--no-legend").stdout == (
        "everywhere.service\t113f16a7.../172.18.0.3\neverywhere.service\t85c0c595.../172.18.0.4\n"
    )


def test_somebody_else_s_wish_ends_the_waiting(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.add("hello.service", HELLO)
    cluster.ignored.add("hello.service")
    cluster.on_launch["hello.service"] = lambda: cluster.add("hello.service", HELLO)
    result = fleet("start", "hello.service")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: unit hello.service is not waited for any longer: somebody asked for it to be inactive meanwhile\n"
    )


def test_a_destroyed_unit_is_waited_for_until_it_is_stopped(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.add("hello.service", HELLO)
    assert fleet("start", "hello.service").exit_code == 0
    cluster.lingering.add("hello.service")
    results: list[Result] = []
    destroying = threading.Thread(target=lambda: results.append(fleet("destroy", "hello.service")))
    destroying.start()
    assert cluster.destroyed.wait(10)
    cluster.let_go("hello.service")
    destroying.join()
    assert (results[0].exit_code, results[0].stdout) == (0, "Destroyed hello.service\n")


def test_a_destroyed_unit_that_does_not_stop_is_named(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.add("hello.service", HELLO)
    assert fleet("start", "hello.service").exit_code == 0
    cluster.lingering.add("hello.service")
    result = fleet("destroy", "--block-attempts=1", "hello.service")
    assert (result.exit_code, result.stdout) == (124, "")
    assert "Unit hello.service waits: it is still being stopped on 113f16a7...\n" in result.stderr
    assert fleet("list-units", "-o", "name").stdout == "hello.service\n"


def test_a_unit_that_cannot_be_read_can_be_destroyed_by_its_name(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.store.commit([Put(KEYS.unit(UnitName("hello.service")), b"rubbish")])
    result = fleet("destroy", "other.service", "hello.service", "h*")
    assert (result.exit_code, result.stdout) == (0, "Destroyed hello.service\n")
    assert result.stderr == (
        "Unit other.service is not in the cluster: nothing to destroy\n"
        "Unit h* is not in the cluster: nothing to destroy\n"
    )
    assert cluster.unit("hello.service") is None


def test_lists_as_json(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.lead()
    cluster.add("far.service", FAR, UnitGoal.LAUNCHED)
    cluster.add("hello.service", HELLO, UnitGoal.LAUNCHED)
    hello, far = cluster.unit("hello.service"), cluster.unit("far.service")
    assert hello is not None
    assert far is not None
    assert fleet("start", "hello").exit_code == 0
    assert json.loads(fleet("list-units", "-o", "json").stdout) == [
        {
            "unit": "hello.service",
            "machine": M1,
            "load": "loaded",
            "active": "active",
            "sub": "running",
            "hash": hello.hash,
        }
    ]
    assert json.loads(fleet("list-unit-files", "-o", "json").stdout) == [
        {
            "unit": "far.service",
            "hash": far.hash,
            "dstate": "launched",
            "state": "inactive",
            "target": None,
            "global": False,
            "desc": "Hello",
            "pending": "2 machines lack region=eu",
        },
        {
            "unit": "hello.service",
            "hash": hello.hash,
            "dstate": "launched",
            "state": "launched",
            "target": M1,
            "global": False,
            "desc": "Hello",
            "pending": None,
        },
    ]
    metadata = {"disk": "ssd", "region": "us"}
    assert json.loads(fleet("list-machines", "-o", "json").stdout) == [
        {"machine": M1, "ip": "172.18.0.3", "hostname": "host-11", "metadata": metadata},
        {"machine": M2, "ip": "172.18.0.4", "hostname": "host-85", "metadata": metadata},
    ]


def test_lists_in_their_other_forms(fleet: Fleetctl) -> None:
    assert fleet("list-machines", "-o", "wide").stdout == (
        "MACHINE\tIP\tHOSTNAME\tMETADATA\n"
        f"{M1}\t172.18.0.3\thost-11\tdisk=ssd,region=us\n"
        f"{M2}\t172.18.0.4\thost-85\tdisk=ssd,region=us\n"
    )
    assert fleet("list-machines", "-o", "name").stdout == f"{M1}\n{M2}\n"
    assert fleet("list-machines", "--fields=ip", "-o", "json").stdout == (
        '[\n  {\n    "ip": "172.18.0.3"\n  },\n  {\n    "ip": "172.18.0.4"\n  }\n]\n'
    )


def test_more_states_than_a_page_are_listed_whole(fleet: Fleetctl, here: Path) -> None:
    (here / "web@.service").write_text(HELLO)
    names = sorted(f"web@{number}.service" for number in range(250))
    assert fleet("start", *names).exit_code == 0
    assert fleet("list-units", "-o", "name").stdout.splitlines() == names


def test_explain_says_what_each_machine_has_against_a_unit(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    cluster.lead()
    cluster.add("far.service", FAR, UnitGoal.LAUNCHED)
    assert fleet("explain", "far").stdout == (
        "far.service: 2 machines lack region=eu\n"
        "113f16a7.../172.18.0.3\tno\tlacks region=eu\n"
        "85c0c595.../172.18.0.4\tno\tlacks region=eu\n"
    )
    result = fleet("explain", "unknown")
    assert (result.exit_code, result.stderr) == (1, "Error: unit unknown.service does not exist\n")


GONE = "f" * 32


def engage_brake(cluster: PuppetCluster, *machines: str) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    record = BrakeRecord(machines=[MachineID(machine) for machine in machines], lost=3, total=5, until=until)
    cluster.store.commit([Put(KEYS.brake, record.encode())])


def test_the_brake_is_off(fleet: Fleetctl) -> None:
    for arguments in (("brake",), ("brake", "--release")):
        result = fleet(*arguments)
        assert (result.exit_code, result.stdout) == (0, "The brake is off: no machines have vanished at once.\n")


def test_the_brake_is_shown_and_released(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    engage_brake(cluster, GONE, "e" * 32)
    shown = fleet("brake").stdout.splitlines()
    assert shown[0].startswith("The brake is on: 3 of 5 machines vanished at once. ")
    assert shown[1:] == ["MACHINE\tUNITS", f"{GONE}\t0", f"{'e' * 32}\t0"]
    for beginning, said in (("d", "none of those"), ("", "none of those")):
        refused = fleet("brake", "--release", "--machine", beginning)
        assert (refused.exit_code, said in refused.stderr) == (1, True)
    assert fleet("brake", "--machine", "f").exit_code == 2
    assert "Released 1 lost machines" in fleet("brake", "--release", "--machine", "ff").stdout
    entry = cluster.store.get(KEYS.brake_release)
    assert entry is not None
    assert BrakeReleaseRecord.decode(entry.value).machines == [GONE]
    assert "Released 2 lost machines" in fleet("brake", "--release").stdout


def settings_of(cluster: PuppetCluster, machine: MachineID) -> tuple[bool, bool]:
    entry = cluster.store.get(KEYS.settings(machine))
    assert entry is not None
    record = MachineSettingsRecord.decode(entry.value)
    return record.cordoned, record.draining


def test_a_machine_is_cordoned_drained_and_taken_into_use_again(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    assert fleet("cordon", "113f16a7", "172.18.0.4").stdout == (
        "Machine 113f16a7.../172.18.0.3 takes no new units\nMachine 85c0c595.../172.18.0.4 takes no new units\n"
    )
    assert (settings_of(cluster, M1), settings_of(cluster, M2)) == ((True, False), (True, False))
    assert fleet("drain", "host-11").exit_code == 0
    assert settings_of(cluster, M1) == (True, True)
    assert fleet("uncordon", "113f16a7").exit_code == 0
    assert settings_of(cluster, M1) == (False, False)


def test_a_machine_that_is_not_there_is_named_and_no_other_is_touched(fleet: Fleetctl, cluster: PuppetCluster) -> None:
    result = fleet("drain", "113f16a7", "nowhere")
    assert (result.exit_code, "no machine 'nowhere'" in result.stderr) == (1, True)
    assert cluster.store.get(KEYS.settings(M1)) is None
