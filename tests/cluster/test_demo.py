from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

FLEET_LAB = str(Path(sys.executable).with_name("fleet-lab"))


def test_the_demo_shows_units_moving_off_a_dead_host_and_leaves_nothing() -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    shown = subprocess.run(  # noqa: S603 - our own program
        [FLEET_LAB, "--name", name, "demo"], check=False, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for said in (
        "$ fleetctl start units/examples/hello.service",
        "$ fleetctl start web@1.service web@2.service",
        "s after the power failed",
        "The lab is removed again.",
    ):
        assert said in shown.stdout
    left = subprocess.run([FLEET_LAB, "--name", name, "ls", "-o", "json"], check=True, capture_output=True)  # noqa: S603 - our own program
    assert left.stdout.strip() == b"[]"
