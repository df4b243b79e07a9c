"""What fleetpy adds to units, and who they are ordered after."""

from __future__ import annotations

import pytest

from fleetpy.ids import Epoch, UnitName
from fleetpy_agent.dropin import dropin, runs_something
from fleetpy_agent.systemd.paths import job_id, unit_path

AFTER = "[Unit]\nAfter=fleet-agent.service\n"
BOUND = "BindsTo=fleet-lease.service\nAfter=fleet-lease.service\n"


def environment(section: str) -> str:
    return f"[{section}]\nEnvironment=FLEET_EPOCH=7\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("web.service", f"{AFTER}\n{environment('Service')}"),
        ("web@1.service", f"{AFTER}\n{environment('Service')}"),
        ("web.socket", environment("Socket")),
        ("srv.mount", environment("Mount")),
        ("dev-sdb.swap", environment("Swap")),
        ("backup.timer", AFTER),
        ("all.target", AFTER),
        ("spool.path", ""),
        ("srv.automount", ""),
        ("web.slice", ""),
    ],
)
def test_what_has_an_environment_knows_its_epoch_and_what_can_stops_before_the_agent(name: str, text: str) -> None:
    assert dropin(UnitName(name), Epoch(7)) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("web.service", f"{AFTER}{BOUND}\n{environment('Service')}"),
        ("web.socket", f"[Unit]\n{BOUND}\n{environment('Socket')}"),
        ("spool.path", f"[Unit]\n{BOUND}"),
    ],
)
def test_what_stops_on_a_partition_is_bound_to_the_guard_of_the_lease(name: str, text: str) -> None:
    assert dropin(UnitName(name), Epoch(7), stops=True) == text


def test_what_is_not_to_be_stopped_by_hand_can_be_stopped_by_the_agent() -> None:
    assert dropin(UnitName("web.slice"), Epoch(7), refuses_stop=True) == "[Unit]\nRefuseManualStop=no\n"


def test_what_only_waits_for_others_may_be_up_when_the_registration_ends() -> None:
    names = ["web.service", "srv.mount", "backup.timer", "web.socket", "spool.path", "web.slice"]
    assert [name for name in names if runs_something(UnitName(name))] == ["web.service", "srv.mount", "backup.timer"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.service", "a_2eservice"),
        ("getty@tty9.service", "getty_40tty9_2eservice"),
        ("1-two.service", "_31_2dtwo_2eservice"),
        ("a_b.service", "a_5fb_2eservice"),
        (r"dev-\x2dx.swap", "dev_2d_5cx2dx_2eswap"),
    ],
)
def test_object_paths_are_systemd_s(name: str, path: str) -> None:
    assert unit_path(UnitName(name)) == f"/org/freedesktop/systemd1/unit/{path}"


def test_a_job_s_id_is_the_end_of_its_path() -> None:
    assert job_id("/org/freedesktop/systemd1/job/82") == 82
