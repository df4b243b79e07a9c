"""A host is cut off from the others for a minute: for how long its units run twice.

Units note on their host when they are about to start and when they have stopped, by the clock that all hosts of a lab
share, so no copy is missed, and none is taken to be shorter than it was.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.hosts import ENTRY, HOSTS, UNIT_FILES, fresh_lab, timed_on
from benchmarks.report import Column, Report, Table, Target
from benchmarks.roles import etcd_leader, scheduler_leader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.report import Cell, Options
    from fleetpy_lab.lab import Lab

UNITS = 30
"""Of each kind, on three hosts."""
CUT_OFF = 60.0
QUICK_CUT_OFF = 40.0
PATIENCE = 60.0
STOPPED = 2.0
"""The target: seconds after healing by which the copies on the host that was cut off have stopped."""
ORIGINAL = "twice from second 30 on; 40 s after healing 2 of 10 still did"

KEEP, STOP = "keep", "stop"
_STAMPS = "/srv/bench-stamps"


@dataclass(frozen=True, slots=True)
class Copy:
    """A unit of the host that was cut off; moments are seconds since the epoch."""

    unit: str
    stopped: float
    """When the copy there had stopped."""
    started: float
    """When the one elsewhere was about to start."""

    @property
    def twice(self) -> float:
        """Seconds during which it may have run in both places; below 0 if there was a gap."""
        return self.stopped - self.started


def run(options: Options) -> Report:
    """Cut a host off that leads nothing, and heal it."""
    seconds = QUICK_CUT_OFF if options.quick else CUT_OFF
    with fresh_lab() as lab:
        _start(lab)
        leaders = {etcd_leader(lab), scheduler_leader(lab)}
        victim = next(host for host in reversed(HOSTS) if host not in leaders)
        cut = time.time()
        lab.partition(victim)
        time.sleep(seconds - (time.time() - cut))
        healing = time.time()
        lab.heal(victim)
        healed = time.time()
        lab.wait_until(lambda: _all_stopped(lab, victim), PATIENCE, f"all copies on {victim} have stopped")
        copies = _copies(lab, victim)
    kinds = {kind: [copy for copy in copies if copy.unit.startswith(kind)] for kind in (KEEP, STOP)}
    late = max(copy.stopped for copy in kinds[KEEP]) - healed
    twice = max(0.0, *(copy.twice for copy in kinds[STOP]))
    what = f"partition of one host, {seconds:g} s"
    gap = -max(copy.twice for copy in kinds[STOP])
    targets = [
        Target(
            f"{what}: the copies of its {len(kinds[KEEP])} units have stopped, after healing",
            STOPPED,
            late,
            "s",
            original=ORIGINAL,
            beside=f"its network took {healed - healing:.1f} s to be there",
        ),
        Target(
            f"{what}: its {len(kinds[STOP])} units with `OnPartition=stop` ran twice",
            0.0,
            twice,
            "s",
            original="(all ran twice)",
            beside=f"at least {gap:.1f} s between stop and start",
        ),
    ]
    return Report("partition", [_table(kinds, cut, healed)], targets)


def _start(lab: Lab) -> None:
    """Units of both kinds, spread over the hosts."""
    for kind in (KEEP, STOP):
        each = f"for n in $(seq {UNITS}); do printf %s {shlex.quote(_text(kind))} >{UNIT_FILES}/{kind}-$n.service; done"
        lab.exec(ENTRY, "bash", "-c", f"mkdir -p {UNIT_FILES}; {each}", check=True)
    lab.fleetctl("list-machines", host=ENTRY)
    timed_on(lab, ENTRY, f"fleetctl start {UNIT_FILES}/*.service")


def _text(kind: str) -> str:
    note = f"/bin/sh -c 'mkdir -p {_STAMPS}; echo {{}} $$(date +%%s.%%N) >>{_STAMPS}/%n'"
    return "\n".join(
        (
            "[Service]",
            f"ExecStartPre={note.format('start')}",
            "ExecStart=/bin/sleep infinity",
            f"ExecStopPost={note.format('stop')}",
            "[X-Fleet]",
            f"OnPartition={kind}",
            "",
        )
    )


def _stamps(lab: Lab, host: str) -> Mapping[str, Sequence[tuple[str, float]]]:
    """What each unit noted on a host, in order."""
    lines = lab.exec(host, "bash", "-c", f"cd {_STAMPS} && grep -H . *", check=True).stdout.splitlines()
    stamps: dict[str, list[tuple[str, float]]] = {}
    for line in lines:
        unit, _, noted = line.partition(":")
        what, at = noted.split()
        stamps.setdefault(unit, []).append((what, float(at)))
    return stamps


def _all_stopped(lab: Lab, host: str) -> bool:
    return all(stamps[-1][0] == "stop" for stamps in _stamps(lab, host).values())


def _copies(lab: Lab, victim: str) -> list[Copy]:
    there = _stamps(lab, victim)
    elsewhere = [_stamps(lab, host) for host in HOSTS if host != victim]
    return [
        Copy(
            unit, stamps[-1][1], min(at for others in elsewhere for what, at in others.get(unit, ()) if what == "start")
        )
        for unit, stamps in sorted(there.items())
    ]


def _table(kinds: Mapping[str, Sequence[Copy]], cut: float, healed: float) -> Table:
    columns = [
        Column("kind", "OnPartition="),
        Column("units", "its units"),
        Column("started", "all started elsewhere", ".1f"),
        Column("stopped", "all stopped there", ".1f"),
        Column("healed", "after healing", ".1f"),
        Column("twice", "ran twice for", ".1f"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            "kind": kind,
            "units": len(copies),
            "started": max(copy.started for copy in copies) - cut,
            "stopped": max(copy.stopped for copy in copies) - cut,
            "healed": max(copy.stopped for copy in copies) - healed,
            "twice": max(0.0, *(copy.twice for copy in copies)),
        }
        for kind, copies in kinds.items()
    ]
    return Table("One of three hosts is cut off: seconds since then, at the most", columns, rows)
