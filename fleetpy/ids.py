"""The identifiers of the cluster, each a type of its own so that one is never taken for another."""

from __future__ import annotations

from typing import NewType

UnitName = NewType("UnitName", str)
"""A unit's full name, such as `web@1.service`: at most 255 bytes, checked by `fleetpy.unit.name`."""

MachineID = NewType("MachineID", str)
"""A host's id: the 32 lower-case hexadecimal digits of its `/etc/machine-id` (machine-id(5))."""

UnitHash = NewType("UnitHash", str)
"""The SHA-1 of a unit file's canonical text: 40 hexadecimal digits, the same as the original fleet's."""

Revision = NewType("Revision", int)
"""A point in the registry's history; every committed write makes the next one."""

UnitUID = NewType("UnitUID", int)
"""What tells a unit from an earlier one of its name: the revision at which its key was created."""

Epoch = NewType("Epoch", int)
"""A number that grows with every placement of a unit, whichever the machine: a fencing token."""

LeaseID = NewType("LeaseID", int)
"""A lease of the registry; 0 means no lease."""

SessionID = NewType("SessionID", str)
"""What tells a host's registration from another's under the same machine id: 32 random hexadecimal digits."""

NO_LEASE = LeaseID(0)
