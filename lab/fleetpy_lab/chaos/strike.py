"""Bringing faults about on a lab, and undoing them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx

from fleetpy.model.records import LeaderRecord
from fleetpy_lab.chaos.clock import boot_time
from fleetpy_lab.chaos.faults import Fault, FaultKind, Victim
from fleetpy_lab.chaos.history import Strike
from fleetpy_lab.chaos.observer import KEYS
from fleetpy_lab.errors import LabError
from fleetpy_lab.host import HostStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy_lab.chaos.observer import Observer
    from fleetpy_lab.host import Host
    from fleetpy_lab.lab import Lab

AGENT, SCHEDULER, ETCD = "fleet-agent.service", "fleet-scheduler.service", "etcd.service"
_BAN = "/run/fleet-lab-no-agent"
_BANNABLE = f"[Unit]\nConditionPathExists=!{_BAN}\n"
_PATIENCE = 60.0


class Striker:
    """Brings faults about in that lab. Methods raise `LabError`."""

    def __init__(self, lab: Lab, observer: Observer) -> None:
        self._lab = lab
        self._observer = observer

    def prepare(self) -> None:
        """What hosts need so that an agent can be kept from restarting."""
        for host in self._lab.hosts():
            self._lab.put(host.name, f"/etc/systemd/system/{AGENT}.d/chaos.conf", _BANNABLE)
            self._lab.exec(host.name, "systemctl", "daemon-reload", check=True)

    def begin(self, fault: Fault) -> Strike:
        """Bring a fault about; until it is ended, it ends at no time."""
        host = self._leader() if fault.nature.victim is Victim.LEADER else fault.host
        began = boot_time()
        self._begin(fault.kind, host)
        struck = boot_time()
        return Strike(fault, host, began, struck, struck, struck)

    def end(self, strike: Strike) -> Strike:
        """Undo a fault."""
        ending = boot_time()
        self._end(strike.fault.kind, strike.host)
        return Strike(strike.fault, strike.host, strike.began, strike.struck, ending, boot_time())

    def _begin(self, kind: FaultKind, host: str) -> None:
        begin: dict[FaultKind, Callable[[], object]] = {
            FaultKind.HOST_KILLED: lambda: self._lab.kill(host),
            FaultKind.HOST_OFF: lambda: self._power_off(host),
            FaultKind.HOST_PAUSED: lambda: self._lab.pause(host),
            FaultKind.HOST_CUT_OFF: lambda: self._lab.partition(host),
            FaultKind.MOST_CUT_OFF: lambda: self._lab.partition(host),
            FaultKind.AGENT_KILLED: lambda: self._signal(host, AGENT, "KILL"),
            FaultKind.AGENT_RESTARTED: lambda: self._lab.exec(host, "systemctl", "restart", AGENT, check=True),
            FaultKind.AGENT_GONE: lambda: self._ban_agent(host),
            FaultKind.AGENT_FROZEN: lambda: self._signal(host, AGENT, "STOP"),
            FaultKind.SCHEDULER_KILLED: lambda: self._signal(host, SCHEDULER, "KILL"),
            FaultKind.SCHEDULER_FROZEN: lambda: self._signal(host, SCHEDULER, "STOP"),
            FaultKind.MEMBER_KILLED: lambda: self._signal(host, ETCD, "KILL"),
            FaultKind.MEMBER_FROZEN: lambda: self._signal(host, ETCD, "STOP"),
            FaultKind.ETCD_FROZEN: lambda: self._signal_members("STOP"),
            FaultKind.ETCD_COMPACTED: self._compact,
            FaultKind.ETCD_FULL: self._fill,
        }
        begin[kind]()

    def _end(self, kind: FaultKind, host: str) -> None:
        end: dict[FaultKind, Callable[[], object]] = {
            FaultKind.HOST_KILLED: lambda: self._lab.revive(host),
            FaultKind.HOST_OFF: lambda: self._lab.revive(host),
            FaultKind.HOST_PAUSED: lambda: self._lab.resume(host),
            FaultKind.HOST_CUT_OFF: lambda: self._lab.heal(host),
            FaultKind.MOST_CUT_OFF: lambda: self._lab.heal(host),
            FaultKind.AGENT_GONE: lambda: self._let_agent(host),
            FaultKind.AGENT_FROZEN: lambda: self._signal(host, AGENT, "CONT"),
            FaultKind.SCHEDULER_FROZEN: lambda: self._signal(host, SCHEDULER, "CONT"),
            FaultKind.MEMBER_FROZEN: lambda: self._signal(host, ETCD, "CONT"),
            FaultKind.ETCD_FROZEN: lambda: self._signal_members("CONT"),
            FaultKind.ETCD_FULL: lambda: self._ask_etcd("alarm", "disarm"),
        }
        if kind in end:
            end[kind]()

    def _signal(self, host: str, service: str, signal: str) -> None:
        command = ("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", service)
        self._lab.wait_until(  # one that is just being restarted has no main process
            lambda: self._lab.exec(host, *command, check=True), _PATIENCE, f"{service} on {host} gets a SIG{signal}"
        )

    def _signal_members(self, signal: str) -> None:
        """Of hosts that can be told; one that is dead or frozen itself takes no part anyway."""
        for host in self._lab.hosts():
            if host.etcd and host.status in {HostStatus.RUNNING, HostStatus.PARTITIONED}:
                self._signal(host.name, ETCD, signal)

    def _power_off(self, host: str) -> None:
        self._lab.exec(host, "systemctl", "poweroff")
        self._lab.wait_until(lambda: self._lab.host(host).status is HostStatus.DEAD, _PATIENCE, f"{host} powers off")

    def _ban_agent(self, host: str) -> None:
        self._lab.exec(host, "touch", _BAN, check=True)
        self._signal(host, AGENT, "KILL")

    def _let_agent(self, host: str) -> None:
        self._lab.exec(host, "rm", "-f", _BAN, check=True)
        self._lab.exec(host, "systemctl", "start", "--no-block", AGENT, check=True)

    def _compact(self) -> None:
        told = json.loads(self._ask_etcd("endpoint", "status", "--write-out=json"))
        self._ask_etcd("compact", str(told[0]["Status"]["header"]["revision"]))

    def _fill(self) -> None:
        """Have etcd take no writes, as when its quota is used up.

        That state is an alarm, which etcd's API can raise (`Maintenance.Alarm`): nothing has to be filled for it.
        """
        told = json.loads(self._ask_etcd("endpoint", "status", "--write-out=json"))
        member = told[0]["Status"]["header"]["member_id"]
        answer = httpx.post(
            f"http://{self._awake_member().address}:2379/v3/maintenance/alarm",
            json={"action": "ACTIVATE", "memberID": str(member), "alarm": "NOSPACE"},
            timeout=_PATIENCE,
        )
        if answer.status_code != httpx.codes.OK:
            raise LabError(f"etcd does not raise its alarm: {answer.text}")

    def _ask_etcd(self, *arguments: str) -> str:
        return self._lab.exec(self._awake_member().name, "etcdctl", *arguments, check=True).stdout

    def _awake_member(self) -> Host:
        return next(host for host in self._lab.hosts() if host.etcd and host.status is HostStatus.RUNNING)

    def _leader(self) -> str:
        """The host whose scheduler leads, once that is one that runs."""
        leader = ""

        def leads() -> bool:
            nonlocal leader
            entry = self._observer.entries().get(KEYS.leader)
            leader = "" if entry is None else LeaderRecord.decode(entry.value).identity.partition("/")[0]
            return bool(leader) and self._lab.host(leader).status is HostStatus.RUNNING

        self._lab.wait_until(leads, _PATIENCE, "a scheduler leads")
        return leader
