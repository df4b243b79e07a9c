"""What is known of units that are waited for, from a feed of events. No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.client.feed import Began, Interrupted
from fleetpy_cli.goals import Outcome, Verdict, down_since
from fleetpy_cli.legend import waiting_sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetpy.client.feed import Item
    from fleetpy.schemas.fleetpy_v1 import Event, MachineStatus, UnitStatus
    from fleetpy_cli.goals import Goal

_UNDER_WAY = frozenset({Outcome.WAITS, Outcome.SETTLING})


@dataclass(frozen=True, slots=True)
class Arrival:
    """A unit that need not be waited for any longer, with its last known status and the address of its machine."""

    name: str
    verdict: Verdict
    unit: UnitStatus | None
    address: str = ""


class Watch:
    """Fed with what a feed gives, in its order; says which units are where their goals have them.

    `before` has the units as they were before anything was asked, where that is known.
    """

    def __init__(self, goals: Mapping[str, Goal], before: Mapping[str, UnitStatus | None] | None = None) -> None:
        self._goals = dict(goals)
        self._down_before = {name: down_since(unit) for name, unit in (before or {}).items()}
        self._units: dict[str, UnitStatus] = {}
        self._machines: dict[str, MachineStatus] = {}
        self._synced = False
        self._told: dict[str, str] = {}
        self._settling: set[str] = set()

    @property
    def waiting(self) -> list[str]:
        """The units that are not there yet, or still settle."""
        return list(self._goals)

    @property
    def settling(self) -> frozenset[str]:
        """Those that are there, but still settle."""
        return frozenset(self._settling)

    def take(self, item: Item) -> list[Arrival]:
        """Learn what happened; gives the units that are there now, or never will be."""
        if isinstance(item, Interrupted):
            return []
        if isinstance(item, Began):
            # Units that the new stream does not speak of are gone.
            self._units, self._machines, self._synced = {}, {}, False
            return []
        self._learn(item)
        if not self._synced:
            return []
        return self._judge(self.waiting if item.type == "synced" else [_unit_of(item)])

    def conclude(self, name: str) -> Arrival:
        """Take a unit that settles for settled."""
        unit = self._units.get(name)
        words = self._goals[name](unit).words
        return self._arrive(name, Verdict(Outcome.DONE, words))

    def news(self) -> list[str]:
        """Why units wait, as sentences; only what was not told before."""
        if not self._synced:
            return []
        fresh: list[tuple[str, str]] = []
        for name, goal in self._goals.items():
            verdict = goal(self._units.get(name))
            reason = verdict.words if verdict.outcome is Outcome.WAITS else ""
            if reason != self._told.get(name, ""):
                self._told[name] = reason
                fresh.append((name, reason))
        return waiting_sentences(fresh)

    def _learn(self, event: Event) -> None:
        if event.unit is not None:
            self._units[event.unit.name] = event.unit
        elif event.machine is not None:
            self._machines[event.machine.id] = event.machine
        elif event.type == "unit-gone":
            self._units.pop(event.name, None)
        elif event.type == "synced":
            self._synced = True

    def _judge(self, names: Iterable[str]) -> list[Arrival]:
        arrivals = []
        for name in names:
            goal = self._goals.get(name)
            if goal is None:
                continue
            verdict = self._settle(name, goal(self._units.get(name)))
            if verdict.outcome in _UNDER_WAY:
                continue
            arrivals.append(self._arrive(name, verdict))
        return arrivals

    def _settle(self, name: str, verdict: Verdict) -> Verdict:
        """A unit that was down before, and is down again since a later time, has run and ended well."""
        if verdict.outcome is not Outcome.SETTLING:
            self._settling.discard(name)
            return verdict
        since, before = down_since(self._units.get(name)), self._down_before.get(name)
        if since and before is not None and since != before:
            return Verdict(Outcome.DONE)
        self._settling.add(name)
        return verdict

    def _arrive(self, name: str, verdict: Verdict) -> Arrival:
        del self._goals[name]
        self._settling.discard(name)
        unit = self._units.get(name)
        return Arrival(name, verdict, unit, self._address(unit))

    def _address(self, unit: UnitStatus | None) -> str:
        machine = self._machines.get(unit.machineID) if unit is not None else None
        return machine.primaryIP if machine is not None else ""


def _unit_of(event: Event) -> str:
    return event.unit.name if event.unit is not None else event.name
