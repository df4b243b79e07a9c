"""Who is where: the working picture of the cluster, which changes while a plan is made.

Three things are told apart, for each unit and live machine:

* its **home**: it is placed there, is still wanted as that very unit (uid), and is to stay;
* **occupied**: it is, or may still be, there: a home, or one that it leaves, or a report that is left of it. Within
  one plan nothing that is occupied becomes free, since an agent has yet to stop what is there;
* **to be vacated**: occupied without being a home. The unit goes nowhere else before that is over.

A report of a refusal occupies nothing: an agent refuses only what it has not touched.

What a plan decides is drafted into the picture, and taken back when the plan is made: then it shows the facts again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpy.planner.places import Places
from fleetpy.planner.relation import Relation
from fleetpy.planner.words import changes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from collections.abc import Set as AbstractSet

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.facts import Facts, Pair
    from fleetpy.planner.order import Order
    from fleetpy.planner.snapshot import Machine, Placement, Unit

_NOBODY: frozenset[UnitName] = frozenset()


@dataclass(slots=True)
class Stir:
    """What has changed in the picture, or was drafted, since `Sayings` cleared this."""

    names: set[UnitName] = field(default_factory=set)
    """The units that have come to a machine, or left one."""
    patterns: set[str] = field(default_factory=set)
    """The patterns that units have no longer, or only now."""
    machines: bool = False
    """Whether any machine has come, gone, or become another."""


class Occupancy:
    """Answers what the rules ask (`placement.rule.Surroundings`), from indexes over the facts."""

    def __init__(self, facts: Facts, order: Order) -> None:
        self._facts = facts
        self._order = order
        self.machines: Mapping[MachineID, Machine] = facts.machines
        self.units: Mapping[UnitName, Unit] = facts.units
        self.wanted = facts.wanted
        self.is_reported = facts.is_reported
        self.is_adrift = facts.is_adrift
        self.reported_hash = facts.reported_hash
        self.conflicts = Relation()
        self.replaces = Relation()
        self.loads: dict[MachineID, int] = {}
        """How many units occupy each machine."""
        self.homeless: set[UnitName] = set()
        """The units, global ones too, that are to be on a machine and have no home."""
        self.lost = Places()
        """The machines that are not live and have placements, by unit."""
        self.refusals = Places()
        """The live machines whose agents have refused a unit of the name."""
        self.stirred: set[MachineID] = set()
        """The machines on which anything has changed, or was drafted, since `Candidates` cleared this."""
        self.stir = Stir()
        self._homes = Places()
        self._occupied = Places()
        self._drafted: list[Pair] = []

    @property
    def is_empty(self) -> bool:
        """Whether no machine is occupied by anything."""
        return not self._occupied

    def placement(self, machine: MachineID, name: UnitName) -> Placement:
        """The placement that there is; raises `KeyError` where there is none."""
        return self._facts.placements[machine, name]

    def news(self, machine: MachineID, unit: Unit) -> str:
        """What the machine, which has it placed, is to be told about the unit, in words; empty if nothing."""
        return changes(self._facts.placements[machine, unit.name], unit, stops=self._facts.may_stop(machine, unit))

    def may_stop(self, machine: MachineID, unit: Unit) -> bool:
        """See `Facts`."""
        return self._facts.may_stop(machine, unit)

    def is_placed(self, machine: MachineID, name: UnitName) -> bool:
        """Whether there is one, whatever this plan has decided."""
        return (machine, name) in self._facts.placements

    def lost_placements(self, name: UnitName) -> list[Placement]:
        """The unit's placements on machines that are not live."""
        return [self._facts.placements[machine, name] for machine in self.lost.of(name)]

    # What changes while a plan is made.

    def settle(self, machine: MachineID, name: UnitName) -> None:
        """The machine becomes a home of the unit."""
        self._drafted.append((machine, name))
        self.show(machine, name, home=True, occupied=True)

    def leave(self, machine: MachineID, name: UnitName) -> None:
        """The machine is no longer a home of the unit, but occupied until its agent says otherwise."""
        self._drafted.append((machine, name))
        self.show(machine, name, home=False, occupied=True)

    def claim(self, machine: MachineID, name: UnitName) -> None:
        """Keep room on the machine for a unit that comes when others have been stopped."""
        self._drafted.append((machine, name))
        self.show(machine, name, home=self.has(machine, name), occupied=True)

    def take_back(self) -> None:
        """Show the facts again, without what was drafted."""
        for machine, name in self._drafted:
            self.show_fact(machine, name)
        self._drafted.clear()

    # What changes as the facts do.

    def show_fact(self, machine: MachineID, name: UnitName) -> bool:
        """Show how it is with this unit on this machine; whether it is, or is not any more, a home."""
        facts = self._facts
        occupied = facts.is_occupied(machine, name)
        return self.show(machine, name, home=occupied and facts.is_home(machine, name), occupied=occupied)

    def show(self, machine: MachineID, name: UnitName, *, home: bool, occupied: bool) -> bool:
        """Show this; whether the machine has become, or is no longer, a home."""
        if occupied != (machine in self._occupied.of(name)):
            self.stirred.add(machine)
            self.stir.names.add(name)
            unit = self.units.get(name)
            if occupied:
                self._occupied.add(name, machine)
                self.loads[machine] += 1
                self.conflicts.add(machine, name, _conflicts(unit))
                self.replaces.add(machine, name, _replaces(unit))
            else:
                self._occupied.discard(name, machine)
                self.loads[machine] -= 1
                self.conflicts.remove(machine, name, _conflicts(unit))
                self.replaces.remove(machine, name, _replaces(unit))
        if home == (machine in self._homes.of(name)):
            return False
        self.stirred.add(machine)
        self.stir.names.add(name)
        if home:
            self._homes.add(name, machine)
            self.homeless.discard(name)
        else:
            self._homes.discard(name, machine)
            self.show_wish(name)
        return True

    def show_wish(self, name: UnitName) -> None:
        """Show whether the unit waits for a machine."""
        if not self._homes.of(name) and self.wanted(name) is not None:
            self.homeless.add(name)
        else:
            self.homeless.discard(name)

    def show_patterns(self, changed: Collection[tuple[UnitName, Unit | None, Unit | None]]) -> None:
        """Units, each given as before and after, have other patterns, or are new, or gone."""
        for relation, patterns_of in ((self.conflicts, _conflicts), (self.replaces, _replaces)):
            others = [
                (name, old, new)
                for name, before, after in changed
                if (old := patterns_of(before)) != (new := patterns_of(after))
            ]
            relation.begin([pattern for _, _, new in others for pattern in new], self._occupied)
            for name, old, new in others:
                self.stir.patterns.update(old, new)
                for machine in self._occupied.of(name):
                    self.stirred.add(machine)
                    relation.remove_own(machine, name, old)
                    relation.add_own(machine, name, new)
            relation.end(pattern for _, old, _ in others for pattern in old)

    def note_lost(self, machine: MachineID, name: UnitName, *, is_lost: bool) -> None:
        """The unit is placed on the machine, which is not live; or not so any more."""
        if is_lost:
            self.lost.add(name, machine)
        elif self.lost:
            self.lost.discard(name, machine)

    def note_refusal(self, machine: MachineID, name: UnitName, *, is_refused: bool) -> None:
        """The machine's agent has refused a unit of the name; or not any more."""
        if is_refused:
            self.refusals.add(name, machine)
        elif self.refusals:
            self.refusals.discard(name, machine)

    # Where a unit is.

    def homes(self, name: UnitName) -> AbstractSet[MachineID]:
        """The live machines that have the unit and are to keep it."""
        return self._homes.of(name)

    def occupied(self, name: UnitName) -> AbstractSet[MachineID]:
        """The live machines that the unit is, or may still be, on."""
        return self._occupied.of(name)

    def vacating(self, name: UnitName) -> AbstractSet[MachineID]:
        """The live machines that are still to be rid of the unit, or kept free for it."""
        return self._occupied.of(name) - self._homes.of(name)

    def occupies(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the unit is, or may still be, on the machine."""
        return machine in self._occupied.of(name)

    # What the rules ask.

    def has(self, machine: MachineID, name: UnitName) -> bool:
        """Whether the machine is a home of the unit."""
        return machine in self._homes.of(name)

    def conflicting(self, machine: MachineID, unit: Unit) -> UnitName | None:
        """The first conflicting unit, by name, that occupies the machine."""
        return min(self.all_conflicting(machine, unit), default=None)

    def replacing(self, machine: MachineID, unit: Unit) -> UnitName | None:
        """The first unit, by name, that occupies the machine and replaces this one without closing a circle."""
        if not self.replaces:
            return None
        naming = self.replaces.naming(machine, unit.name)
        return min((other for other in naming if not self._order.on_one_circle(other, unit.name)), default=None)

    def refused(self, machine: MachineID, unit: Unit) -> str | None:
        """The agent's refusal, if it is about this uid and this text."""
        report = self._facts.reports.get((machine, unit.name))
        if report is None or report.refused is None or report.uid != unit.uid:
            return None
        return report.refused if report.hash in (None, unit.hash) else None

    # What the planner asks beyond that.

    def all_conflicting(self, machine: MachineID, unit: Unit) -> AbstractSet[UnitName]:
        """The conflicting units that occupy the machine, whichever side says so."""
        own = unit.requirements.conflicts
        if not own and not self.conflicts.standing_for(unit.name):
            return _NOBODY
        found = set(self.conflicts.naming(machine, unit.name))
        found.update(self.conflicts.named(machine, unit.name, own))
        return found

    def replaced_at_home(self, machine: MachineID, unit: Unit) -> list[UnitName]:
        """The units, by name, that have their home on the machine and that this one replaces."""
        if not unit.requirements.replaces:
            return []
        named = set(self.replaces.named(machine, unit.name, unit.requirements.replaces))
        return sorted(
            name
            for name in named
            if self.has(machine, name)
            and not self.units[name].requirements.is_global
            and not self._order.on_one_circle(unit.name, name)
        )

    def machines_to_take(self, unit: Unit) -> list[MachineID]:
        """The machines, by id, that are a home of a unit that this one replaces."""
        machines = self.replaces.machines_with_named(unit.requirements.replaces)
        return sorted(machine for machine in machines if self.replaced_at_home(machine, unit))


def _conflicts(unit: Unit | None) -> tuple[str, ...]:
    return unit.requirements.conflicts if unit is not None else ()


def _replaces(unit: Unit | None) -> tuple[str, ...]:
    return unit.requirements.replaces if unit is not None else ()
