"""What goes wrong in a lab: one class for each kind of blame, all of them `FleetError`s."""

from __future__ import annotations

from fleetpy.errors import FleetError, UsageError


class LabError(FleetError):
    """Something that the lab needs failed or is away; the message says what to do about it."""


class LabUsageError(UsageError):
    """The lab was asked for something that it does not have, such as a host that does not exist."""


class HostDiedError(FleetError):
    """A host ended by itself: no `LabError`, since waiting for it any longer is of no use."""
