"""The states that a unit can be wanted in, and be in, as the cluster sees it (the original's `states.md`)."""

from __future__ import annotations

from enum import StrEnum


class UnitGoal(StrEnum):
    """A unit's desired or current state in the cluster.

    `INACTIVE`: known, on no machine. `LOADED`: on a machine and in its systemd, not started. `LAUNCHED`: started
    there; whether it then runs, ends or fails is systemd's active state, passed through as it is.
    """

    INACTIVE = "inactive"
    LOADED = "loaded"
    LAUNCHED = "launched"
