"""Everything of the original's that a user can see has a row on the page on migrating."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "migrating-from-fleet.md").read_text()
ROWS = [[cell.strip() for cell in row.split(" | ")] for row in re.findall(r"^\| (.*?) \|$", PAGE, re.MULTILINE)]
NAMED = {word for row in ROWS for code in re.findall(r"`([^`]+)`", row[0]) for word in [code, *re.split(r"[ =]", code)]}

ORIGINAL = {
    "commands": """cat destroy fd-forward help journal list-machines list-unit-files list-units load restart ssh start
        status stop submit unload verify version""",
    "flags": """--help --h --debug --version --driver --endpoint --etcd-key-prefix --key-file --cert-file --ca-file
        --known-hosts-file --strict-host-key-checking --ssh-timeout --tunnel --request-timeout --ssh-username
        --experimental-api --etcd-keyfile --etcd-certfile --etcd-cafile --block-attempts --no-block --lines --follow
        --f --ssh-port --sudo --output --full --l --no-legend --fields --sign --replace --machine --unit
        --forward-agent --A""",
    "fields of lists": "unit machine load active sub hash dstate state target tmachine global desc ip metadata",
    "requests": """PUT GET DELETE PATCH /units /units/<name> /state /state/<name> /machines /discovery /metrics
        nextPageToken""",
    "entities": """name options section value desiredState currentState machineID hash systemdLoadState
        systemdActiveState systemdSubState id primaryIP metadata""",
    "options": """verbosity etcd_servers etcd_username etcd_password etcd_keyfile etcd_certfile etcd_cafile
        etcd_key_prefix etcd_request_timeout engine_reconcile_interval public_ip metadata agent_ttl units_directory
        systemd_user token_limit enable_grpc disable_engine disable_watches verify_units authorized_keys_file""",
    "the daemon": "--config --version version SIGHUP SIGTERM SIGINT SIGUSR1 fleet.socket LISTEN_FDS",
    "X-Fleet": """MachineID MachineOf MachineMetadata Conflicts Replaces Global X-ConditionMachineID
        X-ConditionMachineOf X-ConditionMachineMetadata X-ConditionMachineBootID X-Conflicts %n %N %p %i""",
    "metrics": """fleet_engine_leader_start_time fleet_engine_task_count_total fleet_engine_task_failure_count_total
        fleet_engine_reconcile_count_total fleet_engine_reconcile_duration_second
        fleet_engine_reconcile_failure_count_total fleet_registry_operation_count_total
        fleet_registry_operation_failed_count_total fleet_registry_operation_duration_second""",
    "functional tests": """TestClientHelpFlag TestClientVersionFlag TestClientVersionHelpOutput TestDetectMachineId
        TestDynamicClusterMemberReboot TestDynamicClusterNewMemberUnitMigration TestFleetctlWithEnv TestInstallUnit
        TestKnownHostsVerification TestListUnitFilesOrder TestMachinesList TestMachinesListBadNextPageToken
        TestMachinesPatchAddModify TestMachinesPatchBad TestMachinesPatchDelete TestNodeShutdown TestReconfigureServer
        TestScheduleCircularReplace TestScheduleConditionMachineID TestScheduleConflicts TestScheduleGlobalConflicts
        TestScheduleGlobalUnits TestScheduleMachineOf TestScheduleMultipleConflicts TestScheduleOneWayConflict
        TestScheduleReplace TestShutdown TestShutdownVsMonitor TestSingleNodeConnectivityLoss TestSystemdUnitFlow
        TestTemplatesWithSpecifiersInMetadata TestTunnelScheduleBatchUnits TestUnitCat TestUnitLoad
        TestUnitLoadReplace TestUnitRestart TestUnitRunnable TestUnitSSHActions TestUnitStart TestUnitStartReplace
        TestUnitStatus TestUnitSubmit TestUnitSubmitReplace""",
}
"""Taken from the original 1.0's `fleetctl/*.go`, `schema/v1.json`, `fleetd/fleetd.go`, `job/job.go`,
`metrics/metrics.go` and `functional/*_test.go`."""

TYPES = {
    *("automount", "busname", "device", "mount", "path", "scope", "service", "slice", "snapshot", "socket"),
    *("swap", "target", "timer"),
}


@pytest.mark.parametrize("kind", ORIGINAL)
def test_everything_of_the_originals_has_a_row(kind: str) -> None:
    assert [name for name in ORIGINAL[kind].split() if name not in NAMED] == []


def test_every_type_of_unit_has_a_row() -> None:
    section = PAGE.partition("## Unit types")[2].partition("\n## ")[0]
    said = {word for row in re.findall(r"^\| ([a-z, ]+) \|", section, re.MULTILINE) for word in row.split(", ")}
    assert TYPES - said == set()


def test_whatever_works_names_a_test() -> None:
    claims = [row for row in ROWS if len(row) > 1 and any(re.match(r"works?\b", cell) for cell in row[1:])]
    assert len(claims) > 60
    assert [row[0] for row in claims if "`test_" not in row[-1] and not row[-1].startswith("the same")] == []
