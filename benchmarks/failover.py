"""A host dies with a third of the units: how long until all of them run elsewhere, and what that time consists of.

What else the dead host led matters: nobody decides until another scheduler is elected, and that one gives every machine
a whole TTL to turn up; a new leader of etcd gives every lease its whole TTL again. So there are three deaths.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from benchmarks.hosts import HOSTS, count_running, destroy_units, fresh_lab, start_units
from benchmarks.report import Column, Report, Table, Target
from benchmarks.roles import etcd_leader, move_etcd_leader, scheduler_leader
from benchmarks.timeline import KEYS, Timeline, lost, placed, running
from fleetpy.config import FleetConfig
from fleetpy_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.report import Options
    from benchmarks.timeline import Change
    from fleetpy_lab.lab import Lab

UNITS = 600
QUICK_UNITS = 60
GRACE = 3.0
"""The target: seconds on top of the agents' TTL."""
ORIGINAL = "38.1 s (TTL 30 s)"

_PATIENCE = 120.0
_LOOK = 0.5


class Role(StrEnum):
    """What the host that dies led."""

    NOTHING = "nothing"
    SCHEDULER = "the scheduler"
    ETCD = "etcd"


@dataclass(frozen=True, slots=True)
class Death:
    """A host's death, and when (seconds after it) what had been done about it."""

    role: str
    host: str
    units: int
    """That it had."""
    detected: float
    """Its registration was gone."""
    placed: float
    """The last of its units was given to another machine."""
    run: float
    """The last of them ran, by that machine's systemd."""
    told: float
    """The cluster knew."""


def run(options: Options) -> Report:
    """Let a host die in each role, in one lab."""
    count = QUICK_UNITS if options.quick else UNITS
    roles = [Role.NOTHING] if options.quick else list(Role)
    with fresh_lab() as lab:
        deaths = [_let_die(lab, role, count) for role in roles]
    ttl = FleetConfig().agent_ttl
    targets = [
        Target(
            f"a dead host that led {death.role}: its {death.units} of {count} units run elsewhere",
            ttl + GRACE,
            death.told,
            "s",
            original=ORIGINAL if count == UNITS else "",
            beside=f"the agents' TTL is {ttl:g} s",
        )
        for death in deaths
    ]
    return Report("failover", [_table(deaths, count)], targets, [f"the agents' TTL is {ttl:g} s, the default"])


def _let_die(lab: Lab, role: Role, count: int) -> Death:
    start_units(lab, count)
    victim = _find_victim(lab, role)
    machine = lab.host(victim).machine_id
    survivors = [host for host in lab.hosts() if host.name != victim]
    with Timeline(survivors) as timeline:
        moving = sum(key.startswith(KEYS.placements) and machine in key for key in _keys(lab, survivors[0].name))
        killed = time.time()
        lab.kill(victim)
        _wait_for(timeline, moving)
        changes = timeline.changes()
    elsewhere = list(running(changes))
    assert count_running(lab) == count, "all units run on the hosts that are left"
    lab.restore()
    destroy_units(lab)
    return Death(
        role=role.value,
        host=victim,
        units=moving,
        detected=lost(changes, machine) - killed,
        placed=max(placed(changes)) - killed,
        run=max(one.since for one in elsewhere) - killed,
        told=max(one.at for one in elsewhere) - killed,
    )


def _wait_for(timeline: Timeline, units: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    seen: list[Change] = []
    while sum(1 for _ in running(seen)) < units:
        if time.monotonic() > deadline:
            raise LabError(f"{units} units do not run elsewhere within {_PATIENCE:g} s of their host's death")
        time.sleep(_LOOK)
        seen = timeline.changes()


def _find_victim(lab: Lab, role: Role) -> str:
    """A host that leads that and nothing else; etcd is told to change its leader where one host leads both."""
    scheduler = scheduler_leader(lab)
    if role is not Role.NOTHING and etcd_leader(lab) == scheduler:
        move_etcd_leader(lab, next(host for host in HOSTS if host != scheduler))
    etcd = etcd_leader(lab)
    neither = next(host for host in HOSTS if host not in {scheduler, etcd})
    return {Role.SCHEDULER: scheduler, Role.ETCD: etcd, Role.NOTHING: neither}[role]


def _keys(lab: Lab, host: str) -> list[str]:
    return lab.exec(host, "etcdctl", "get", KEYS.prefix, "--prefix", "--keys-only", check=True).stdout.split()


def _table(deaths: Sequence[Death], count: int) -> Table:
    columns = [
        Column("role", "the host led"),
        Column("units", "its units"),
        Column("detected", "found dead", ".2f"),
        Column("placed", "all placed", ".2f"),
        Column("run", "all running", ".2f"),
        Column("told", "cluster knows", ".2f"),
        Column("planning", "placing took", ".2f"),
        Column("starting", "starting took", ".2f"),
    ]
    rows = [
        {**asdict(death), "planning": death.placed - death.detected, "starting": death.told - death.placed}
        for death in deaths
    ]
    return Table(f"One of three hosts dies, of {count} units: seconds after its death", columns, rows)
