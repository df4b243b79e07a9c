"""What fleetpy adds to a unit on the host, beside its file: a drop-in (systemd.unit(5)).

* `FLEET_EPOCH` in the environment of what the unit runs: the number of its placement. It grows with every placement,
  so a storage that remembers the greatest it has seen can refuse a stale copy.
* Services, timers and targets are ordered after the agent. That has no effect while the host runs, restarts of the
  agent included; when the host shuts down, they stop before the agent does, so that the agent gives the machine's
  lease up when they are gone, and not before. The other types are ordered before basic.target, and so before the
  agent: ordering them after it too would be a cycle.
* Units with `OnPartition=stop` are bound to fleet-lease.service: systemd stops them when it ends.
* Units with `RefuseManualStop=` can be stopped all the same: else they could never be moved, replaced or destroyed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.ids import UnitName

if TYPE_CHECKING:
    from fleetpy.ids import Epoch

NAME = "10-fleet.conf"
AGENT_SERVICE = "fleet-agent.service"
GUARD_SERVICE = UnitName("fleet-lease.service")

_SECTION_WITH_ENVIRONMENT = {"service": "Service", "socket": "Socket", "mount": "Mount", "swap": "Swap"}
_STOPPED_BEFORE_THE_AGENT = {"service", "timer", "target"}
_HARMLESS_AT_SHUTDOWN = {"socket", "path", "slice", "device"}


def dropin(name: UnitName, epoch: Epoch, *, stops: bool = False, refuses_stop: bool = False) -> str:
    """The drop-in's text; empty where there is nothing to add.

    The unit `stops` on a partition or does not; its file `refuses_stop` by hand or does not.
    """
    suffix = name.rpartition(".")[2]
    sections = []
    lines = [f"After={AGENT_SERVICE}\n"] if suffix in _STOPPED_BEFORE_THE_AGENT else []
    if stops:
        lines.append(f"BindsTo={GUARD_SERVICE}\nAfter={GUARD_SERVICE}\n")
    if refuses_stop:
        lines.append("RefuseManualStop=no\n")
    if lines:
        sections.append("[Unit]\n" + "".join(lines))
    if suffix in _SECTION_WITH_ENVIRONMENT:
        sections.append(f"[{_SECTION_WITH_ENVIRONMENT[suffix]}]\nEnvironment=FLEET_EPOCH={epoch}\n")
    return "\n".join(sections)


def runs_something(name: UnitName) -> bool:
    """Whether the unit must be down before another host may have it: all but what only waits for others' doings."""
    return name.rpartition(".")[2] not in _HARMLESS_AT_SHUTDOWN
