"""A cluster to plan for, built in few words, with agents that carry out what is planned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fleetpy.ids import Epoch, MachineID, Revision, UnitHash, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Place, Unplace, Update
from fleetpy.planner.explain import Explanation, explain
from fleetpy.planner.plan import Plan, PlanSettings, plan
from fleetpy.planner.snapshot import Circumstances, Machine, Placement, Report, Snapshot, Unit
from fleetpy.unit.requirements import OnPartition, Requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.planner.brake import Brake

NOW = 1000.0
"""Long after the leader took over."""
TEXT = UnitHash("text-1")


def make_unit(name: str, *, uid: int = 1, text: str = TEXT, goal: str = "launched", **options: Any) -> Unit:
    """A unit; what is not named here is an option of `Requirements`, with lists and dicts for its tuples."""
    restarted = options.pop("restarted", None)
    metadata = options.pop("metadata", {})
    tuples: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    pairs = ((key, frozenset(value.split("|"))) for key, value in metadata.items())
    wish = Requirements(metadata=tuple(sorted(pairs)), **tuples)
    return Unit(UnitName(name), UnitUID(uid), UnitHash(text), UnitGoal(goal), wish, restarted)


def make_machine(name: str, *, cordoned: bool = False, draining: bool = False, **metadata: str) -> Machine:
    return Machine(MachineID(name), metadata, cordoned, draining)


@dataclass
class Cluster:
    """Mutable, unlike the snapshots that it gives."""

    machines: dict[MachineID, Machine] = field(default_factory=dict)
    units: dict[UnitName, Unit] = field(default_factory=dict)
    placements: dict[tuple[MachineID, UnitName], Placement] = field(default_factory=dict)
    reports: dict[tuple[MachineID, UnitName], Report] = field(default_factory=dict)
    lost_at: dict[MachineID, float] = field(default_factory=dict)
    led_since: float = 0.0
    unheard_until: float = float("-inf")
    brake: Brake | None = None
    silent: frozenset[MachineID] = frozenset()
    released: frozenset[MachineID] = frozenset()
    revision: int = 100

    @classmethod
    def of(cls, *machines: str | Machine) -> Cluster:
        cluster = cls()
        for machine in machines:
            cluster.join(machine if isinstance(machine, Machine) else make_machine(machine))
        return cluster

    def join(self, machine: Machine) -> None:
        self.machines[machine.id] = machine
        self.lost_at.pop(machine.id, None)

    def submit(self, name: str, **options: Any) -> Unit:
        """A new unit, or a known one with another text or goal."""
        unit = make_unit(name, **options)
        self.units[unit.name] = unit
        return unit

    def change(self, name: str, **changes: Any) -> None:
        key = UnitName(name)
        self.units[key] = replace(self.units[key], **changes)

    def destroy(self, name: str) -> None:
        del self.units[UnitName(name)]

    def put(self, machine: str, *names: str, epoch: int = 50, reported: bool = True) -> None:
        """Place known units as they are, and let the agent report them."""
        for name in names:
            unit = self.units[UnitName(name)]
            stops = unit.requirements.on_partition is OnPartition.STOP
            placement = Placement(
                MachineID(machine), unit.name, unit.uid, unit.hash, unit.goal, Epoch(epoch), unit.restarted, stops
            )
            self.placements[placement.machine, unit.name] = placement
            if reported:
                self.report(machine, name, uid=unit.uid, epoch=epoch)

    def report(
        self,
        machine: str,
        name: str,
        *,
        uid: int = 1,
        epoch: int = 50,
        refused: str | None = None,
        adrift: bool = False,
    ) -> None:
        key = MachineID(machine), UnitName(name)
        self.reports[key] = Report(*key, UnitUID(uid), Epoch(epoch), refused, TEXT, adrift)

    def remove(self, machine: str, name: str) -> None:
        """As if it had never been placed there."""
        key = MachineID(machine), UnitName(name)
        self.placements.pop(key, None)
        self.reports.pop(key, None)

    def lose(self, machine: str, *, at: float | None = 0.0) -> None:
        """The machine's lease ends, and with it its agent's word; `at` is None if the leader has not noted it."""
        key = MachineID(machine)
        del self.machines[key]
        self.reports = {at_: report for at_, report in self.reports.items() if at_[0] != key}
        if at is not None:
            self.lost_at[key] = at

    def snapshot(self) -> Snapshot:
        return Snapshot(
            self.circumstances(), dict(self.machines), dict(self.units), dict(self.placements), dict(self.reports)
        )

    def circumstances(self) -> Circumstances:
        return Circumstances(
            Revision(self.revision),
            dict(self.lost_at),
            self.led_since,
            self.unheard_until,
            self.brake,
            self.silent,
            self.released,
        )

    def plan(self, now: float = NOW, **settings: Any) -> Plan:
        return plan(self.snapshot(), now, PlanSettings(**settings))

    def explain(self, name: str) -> Explanation:
        return explain(self.snapshot(), UnitName(name))

    def carry_out(self, planned: Plan) -> None:
        """Write the plan. Agents have seen nothing of it yet, and still report what they have."""
        self.revision += 1
        for action in planned.actions:
            key = action.machine, action.name
            match action:
                case Unplace():
                    del self.placements[key]
                case Place() | Update():
                    self.placements[key] = Placement(
                        *key, action.uid, action.hash, action.goal, action.epoch, action.restarted, action.stops
                    )

    def let_agents_work(self) -> None:
        """Every live agent makes its host match its placements, and keeps to what it has refused."""
        self.revision += 1
        refused = {
            key: report
            for key, report in self.reports.items()
            if report.refused is not None or (report.adrift and key not in self.placements)
        }
        running = {
            key: Report(*key, placement.uid, placement.epoch, None, placement.hash)
            for key, placement in self.placements.items()
            if key[0] in self.machines and key not in refused and placement.goal is not UnitGoal.INACTIVE
        }
        self.reports = running | refused

    def settle(self, now: float = NOW, rounds: int = 20, **settings: Any) -> list[Plan]:
        """Plan, write and let agents work until nothing is left to do; the plans that did something."""
        plans: list[Plan] = []
        for _ in range(rounds):
            planned = self.plan(now, **settings)
            reports = self.reports
            self.carry_out(planned)
            self.let_agents_work()
            if planned.actions:
                plans.append(planned)
            elif self.reports == reports:
                return plans
        raise AssertionError(f"not settled after {rounds} rounds; the last plan was {plans[-1]}")

    def where(self) -> dict[str, list[str]]:
        """Unit to the machines, live or lost, that it is placed on; all sorted."""
        found: dict[str, list[str]] = {}
        for machine, name in sorted(self.placements):
            found.setdefault(name, []).append(machine)
        return dict(sorted(found.items()))


def idle(pending: Mapping[str, str] | None = None, wake_at: float | None = None) -> Plan:
    """A plan that does nothing."""
    return Plan((), {UnitName(name): why for name, why in (pending or {}).items()}, wake_at)


def why_pending(planned: Plan, name: str) -> str:
    return planned.pending[UnitName(name)]


def told(planned: Plan) -> list[str]:
    """The plan's actions without their reasons: "place a.service m1"."""
    return [f"{type(action).__name__.lower()} {action.name} {action.machine}" for action in planned.actions]


def reasons(planned: Plan) -> list[str]:
    """The plan's actions as the log has them."""
    return [str(action) for action in planned.actions]
