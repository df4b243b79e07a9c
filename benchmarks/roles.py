"""Who leads in a lab: which host's scheduler, and which host's member of etcd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.hosts import HOSTS
from benchmarks.timeline import KEYS
from fleetpy.model.records import LeaderRecord

if TYPE_CHECKING:
    from fleetpy_lab.lab import Lab

_PATIENCE = 60.0


def scheduler_leader(lab: Lab) -> str:
    """The host whose scheduler leads; empty while none does."""
    told = lab.exec(HOSTS[0], "etcdctl", "get", KEYS.leader, "--print-value-only", check=True).stdout
    return LeaderRecord.decode(told.encode()).identity.partition("/")[0] if told else ""


def etcd_leader(lab: Lab) -> str:
    """The host whose member of etcd leads."""
    return next(host for host, (member, leader) in _members(lab).items() if member == leader)


def move_etcd_leader(lab: Lab, to: str) -> None:
    """Have the member of another host lead."""
    leader = etcd_leader(lab)
    if leader != to:
        lab.exec(leader, "etcdctl", "move-leader", f"{_members(lab)[to][0]:x}", check=True)
        lab.wait_until(lambda: etcd_leader(lab) == to, _PATIENCE, f"etcd is led by {to}")


def _members(lab: Lab) -> dict[str, tuple[int, int]]:
    """For each host its member's id, and the leader's as that member knows it."""
    found: dict[str, tuple[int, int]] = {}
    for host in HOSTS:
        told = lab.exec(host, "etcdctl", "endpoint", "status", "--write-out=json", check=True).stdout
        status = json.loads(told)[0]["Status"]
        found[host] = (status["header"]["member_id"], status["leader"])
    return found
