"""`fleet-lab chaos`: a lab of its own, faults in it, the verdict; and everything kept in a folder."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.checker import check
from fleetpy_lab.chaos.experiment import Experiment
from fleetpy_lab.chaos.faults import FaultKind
from fleetpy_lab.chaos.promises import Promises
from fleetpy_lab.chaos.report import render, value_of
from fleetpy_lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fleetpy_lab.chaos.experiment import Outcome

REPORT = "report.txt"
_JOURNAL = ("journalctl", "--no-pager", "--output=short-monotonic", "--unit=fleet-*", "--unit=etcd")


def run_chaos(
    minutes: float, seed: int, folder: Path, tell: Callable[[str], None], kinds: Sequence[FaultKind] = tuple(FaultKind)
) -> bool:
    """Let faults happen for so long; whether every promise was kept. Raises `LabError`.

    The report, the units' stamps, the changes of the registry and the hosts' journals are put into the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    lab = Lab(f"chaos-{uuid.uuid4().hex[:8]}")
    try:
        outcome = Experiment(lab, seed, lambda words: tell(f"[{time.monotonic() - began:6.1f} s] {words}")).run(
            60.0 * minutes, kinds
        )
        _keep(lab, outcome, folder)
    finally:
        lab.down()
        lab.close()
    promises = Promises()
    violations = check(outcome.history, promises)
    text = render(outcome, violations, promises, f"Chaos of {minutes:g} minutes with seed {seed}")
    (folder / REPORT).write_text(text)
    tell(text)
    tell(f"All of it is kept in {folder}; a run with SEED={seed} tries the same faults again.")
    return not violations and not outcome.left


def _keep(lab: Lab, outcome: Outcome, folder: Path) -> None:
    for host in lab.hosts():
        (folder / f"journal-{host.name}.txt").write_text(lab.exec(host.name, *_JOURNAL).stdout)
        (folder / f"stamps-{host.name}.txt").write_bytes((lab.directory / host.name / "stamps").read_bytes())
    lines = [f"{change.at:.2f} {change.key} {value_of(change)}\n" for change in outcome.changes]
    (folder / "registry.txt").write_text("".join(lines))
