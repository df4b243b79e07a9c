"""Looking at what is there of the units of a load: in the registry, and on each host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.records import PlacementRecord, UnitRecord
from fleetpy.registry.keys import split_machine_and_unit
from fleetpy_lab.chaos.clock import boot_time
from fleetpy_lab.chaos.leftovers import Holdings, Place
from fleetpy_lab.chaos.observer import KEYS
from fleetpy_lab.chaos.registry_log import needless_since, takeovers

if TYPE_CHECKING:
    from collections.abc import Collection

    from fleetpy_lab.chaos.observer import Observer
    from fleetpy_lab.lab import Lab

COLLECTED_WITHIN = 340.0
"""Seconds: a leading scheduler looks every 300 s for unit files that nothing refers to, after a turn, every 30 s."""
_LOOKS = {
    "unit file": "ls /run/fleet/units",
    "record": "ls /run/fleet/agent/applied | sed 's/[.]json$//'",
    "drop-in": "ls -d /run/systemd/system/*.d/10-fleet.conf 2>/dev/null | sed 's,.*/system/,,; s,[.]d/10-fleet.conf,,'",
    "unit of systemd": (
        'systemctl show --property=Id,LoadState "$@" |'
        ' awk -F= \'$1 == "Id" {name = $2} $0 == "LoadState=loaded" {print name}\''
    ),
}
"""What to ask a host, by kind of thing; the names of all units are its arguments, its answer has one in each line."""


def look(lab: Lab, observer: Observer, names: Collection[str]) -> Holdings:
    """What is there of units of these names, by the registry as it was last seen and by each host."""
    entries, changes = observer.entries(), observer.changes()
    machines = {host.machine_id: host.name for host in lab.hosts()}

    def places(prefix: str) -> frozenset[Place]:
        pairs = [split_machine_and_unit(key.removeprefix(prefix)) for key in entries if key.startswith(prefix)]
        return frozenset((machines[pair[0]], pair[1]) for pair in pairs if pair is not None)

    def under(prefix: str) -> dict[str, bytes]:
        return {key.removeprefix(prefix): entry.value for key, entry in entries.items() if key.startswith(prefix)}

    used = {UnitRecord.decode(value).hash for value in under(KEYS.units).values()}
    used |= {PlacementRecord.decode(value).hash for value in under(KEYS.placements).values()}
    leads_since = max(takeovers(changes), default=0.0)
    due = boot_time() - COLLECTED_WITHIN
    return Holdings(
        units=frozenset(under(KEYS.units)),
        lacking=frozenset(used - under(KEYS.unit_files).keys()),
        overdue=frozenset(file for file, since in needless_since(changes).items() if max(since, leads_since) < due),
        placements=places(KEYS.placements),
        states=places(KEYS.states),
        on_hosts={kind: _on_hosts(lab, command, names) for kind, command in _LOOKS.items()},
    )


def _on_hosts(lab: Lab, command: str, names: Collection[str]) -> frozenset[Place]:
    return frozenset(
        (host.name, name)
        for host in lab.hosts()
        for name in lab.exec(host.name, "sh", "-c", command, "sh", *sorted(names)).stdout.split()
        if name in names
    )
