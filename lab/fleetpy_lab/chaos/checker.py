"""From what happened to the promises that it broke: a pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_lab.chaos import causes, copies, recovery, wanted

if TYPE_CHECKING:
    from fleetpy_lab.chaos.history import History
    from fleetpy_lab.chaos.promises import Promises
    from fleetpy_lab.chaos.violation import Violation

CHECKS = (
    copies.never_twice,
    copies.stale_copies_go,
    copies.conflicting_units_stay_apart,
    copies.the_brake_holds,
    copies.epochs_grow,
    causes.nothing_ends_without_a_cause,
    recovery.what_can_run_runs,
    wanted.what_is_not_wanted_does_not_run,
)
"""Each is one promise; its docstring says it."""


def check(history: History, promises: Promises) -> list[Violation]:
    """Every promise that was broken, the earliest first."""
    found = [violation for rule in CHECKS for violation in rule(history, promises)]
    return sorted(found, key=lambda violation: (violation.at, violation.unit, violation.what))
