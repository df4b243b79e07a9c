"""Where a unit is, where it would go, and why not elsewhere, in words.

`plan` takes its reasons for pending units from here, so that both say the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.placement.refusal import in_words
from fleetpy.placement.rules import ALL_RULES, NEIGHBOUR_RULES, STAYING_RULES, applying, refusal
from fleetpy.planner.index import Index
from fleetpy.planner.words import homeless_leader, homes, lost_with, round_in_circles, short, waits_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.placement.refusal import Refusal
    from fleetpy.placement.rule import Rule
    from fleetpy.planner.snapshot import Machine, Snapshot, Unit

_NO_MACHINES = "there are no machines in the cluster"
_INACTIVE = "it is not to be on any machine"
_UNKNOWN = "there is no unit of this name"


def _never_held(_: UnitName) -> None:
    """For those who cannot know what the leader holds back, and until when."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a machine can have the unit; in words why not, or empty."""

    machine: MachineID
    eligible: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say about where a unit is and is not."""

    name: UnitName
    machines: tuple[MachineID, ...]
    """The live machines that it is placed on, by id."""
    pending: str
    """Why it is on none although it is to be; empty otherwise."""
    summary: str
    """One sentence, without a capital and a full stop."""
    verdicts: tuple[Verdict, ...]
    """One for each live machine: eligible ones first, in the order in which they would be chosen."""


class Explainer:
    """Explains any unit of one picture. Building it looks at the whole cluster; then each unit costs little."""

    def __init__(self, index: Index, why_held: Callable[[UnitName], str | None] = _never_held) -> None:
        self._occupancy = index.occupancy
        self._order = index.order
        self._candidates = index.candidates
        self._why_held = why_held
        self._sayings = index.sayings
        self._sayings.refresh()

    @classmethod
    def of(cls, snapshot: Snapshot, why_held: Callable[[UnitName], str | None] = _never_held) -> Explainer:
        """For a cluster as it is, whatever its scheduler is just deciding; `why_held` says what it holds back."""
        return cls(Index.of(snapshot), why_held)

    def explain(self, name: UnitName) -> Explanation:
        """Everything about one unit; a name that is no unit's is explained as such."""
        unit = self._occupancy.units.get(name)
        if unit is None:
            return Explanation(name, (), "", _UNKNOWN, ())
        machines = tuple(sorted(self._occupancy.homes(name)))
        pending = self.pending(name)
        return Explanation(name, machines, pending, self._summary(unit, pending), self._verdicts(unit))

    def pending(self, name: UnitName) -> str:
        """Why the unit is on no machine although it is to be; empty if that is not so."""
        unit = self._occupancy.wanted(name)
        if unit is None or self._occupancy.homes(name):
            return ""
        return self._obstacle(unit)

    def _summary(self, unit: Unit, pending: str) -> str:
        machines = self._occupancy.homes(unit.name)
        if pending:
            return pending
        if not machines:
            return f"{_INACTIVE}; if it were: {self._elsewhere(unit)}"
        total = len(self._occupancy.machines)
        said = homes(machines, total, is_global=unit.requirements.is_global)
        if unit.requirements.is_global and len(machines) < total:
            return f"{said}; {self._elsewhere(unit)}"
        return said

    def _obstacle(self, unit: Unit) -> str:
        """Why a unit that is to be on a machine is on none."""
        vacating = self._occupancy.vacating(unit.name)
        if unit.requirements.is_global:
            free = [at for at in vacating if self._refusal(unit, self._occupancy.machines[at]) is None]
            parts = [self._elsewhere(unit), waits_for(free) if free else ""]
            return "; ".join(part for part in parts if part)
        if vacating:
            return waits_for(vacating)
        circle = self._order.following_circle(unit.name)
        why = self._why_held(unit.name) or (round_in_circles(circle) if circle else self._elsewhere(unit))
        lost = self._occupancy.lost.of(unit.name)
        return lost_with(lost, why) if lost else why

    def _elsewhere(self, unit: Unit) -> str:
        """Where the unit can go or, if nowhere, why."""
        if not self._occupancy.machines:
            return _NO_MACHINES
        for leader in unit.requirements.machine_of:
            if not self._occupancy.homes(leader):
                wanted = self._occupancy.wanted(leader) is not None
                return homeless_leader(leader, self._occupancy.units.get(leader), wanted=wanted)
        machine = None if unit.requirements.is_global else self._candidates.best(unit)
        return f"it goes to {short(machine)}" if machine is not None else self._refusals(unit)

    def _refusals(self, unit: Unit) -> str:
        """Why no machine is eligible, or, for a unit that is on some, why the others are not."""
        bound_to = unit.requirements.machine_id
        if bound_to is not None:
            machine = self._occupancy.machines.get(bound_to)
            refused = self._refusal(unit, machine) if machine is not None else "is not in the cluster"
            return f"it is bound to {bound_to}, which {refused}"
        if self._occupancy.homes(unit.name) or self._occupancy.refusals.of(unit.name):
            return in_words(self._count(unit, self._occupancy.machines, ALL_RULES))
        kind = self._candidates.kind(unit)
        said = self._sayings.about(kind)
        if said is None:
            counted = self._count(unit, self._candidates.suitable(unit), NEIGHBOUR_RULES)
            said = in_words(counted + self._candidates.unsuitable(unit))
            self._sayings.say(kind, said)
        return said

    def _count(self, unit: Unit, among: Iterable[MachineID], rules: Iterable[Rule]) -> Counter[Refusal]:
        """How many machines that the unit is not on refuse it, and for what."""
        occupancy = self._occupancy
        asked = applying(rules, unit)
        refusals = (
            refusal(asked, unit, occupancy.machines[machine], occupancy)
            for machine in among
            if not occupancy.has(machine, unit.name)
        )
        return Counter(refused for refused in refusals if refused is not None)

    def _refusal(self, unit: Unit, machine: Machine) -> Refusal | None:
        """Why the machine cannot have the unit or, if it is there, cannot keep it."""
        rules = ALL_RULES
        if self._occupancy.has(machine.id, unit.name):
            rules = STAYING_RULES + NEIGHBOUR_RULES
        return refusal(applying(rules, unit), unit, machine, self._occupancy)

    def _verdicts(self, unit: Unit) -> tuple[Verdict, ...]:
        verdicts: list[Verdict] = []
        for machine in self._occupancy.machines.values():
            refused = self._refusal(unit, machine)
            verdicts.append(Verdict(machine.id, refused is None, "" if refused is None else str(refused)))
        loads = self._occupancy.loads
        verdicts.sort(key=lambda verdict: (not verdict.eligible, loads[verdict.machine], verdict.machine))
        return tuple(verdicts)


def explain(snapshot: Snapshot, name: UnitName) -> Explanation:
    """Explain one unit. For many units of one snapshot, keep an `Explainer.of(snapshot)`."""
    return Explainer.of(snapshot).explain(name)
