"""A minute of chaos, as `make chaos` makes it: every fault that takes little time, and the checker's verdict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fleetpy_lab.chaos.faults import FaultKind

FLEET_LAB = str(Path(sys.executable).with_name("fleet-lab"))
SEED = "878"


def test_after_a_minute_of_random_faults_every_promise_was_kept(tmp_path: Path) -> None:
    command = [FLEET_LAB, "chaos", "--minutes", "1.25", "--seed", SEED, "--folder", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every promise was kept, and nothing was left behind." in (tmp_path / "report.txt").read_text()


def test_a_kind_of_fault_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    command = [FLEET_LAB, "chaos", "--kind", "meteor", "--folder", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    assert done.returncode == 2
    assert "'meteor'" in done.stderr
    assert FaultKind.HOST_KILLED in done.stderr
