"""Histories made by hand: what the checker of chaos is tested with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.faults import Fault, FaultKind
from fleetpy_lab.chaos.history import History, Late, Run, Strike, Wish
from fleetpy_lab.chaos.load import LoadUnit

if TYPE_CHECKING:
    from fleetpy_lab.chaos.spans import Span

END = 1000.0
HOSTS = ("a", "b", "c")
KEEP = LoadUnit("keep.service")
ONCE = LoadUnit("once.service", stops=True)
BESIDE = LoadUnit("beside.service", leader="once.service")
APART = LoadUnit("apart.service", conflicts="keep.*")
EVERY = LoadUnit("every.service", is_global=True)
CHANGING = LoadUnit("changing.service", changing=True)


@dataclass
class Story:
    """Is told what happened, in any order; everything is wanted from the beginning unless a wish says otherwise."""

    units: tuple[LoadUnit, ...] = (KEEP,)
    runs: list[Run] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    registrations: dict[str, list[float]] = field(default_factory=dict)
    brakes: list[Span] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)

    def __post_init__(self) -> None:
        for unit in self.units:
            self.wish(0.0, unit, text=1)

    def ran(
        self,
        host: str,
        began: float,
        stopped: float | None = None,
        *,
        unit: LoadUnit | None = None,
        last: float = END,
        text: int = 1,
        epoch: int | None = None,
    ) -> None:
        """A run: until it was `stopped`, else with its `last` sign of life."""
        name = (unit or self.units[0]).name
        last = last if stopped is None else stopped
        number = int(began) if epoch is None else epoch
        self.runs.append(Run(host, name, text, number, f"{host}{began}", began, last, stopped))

    def struck(self, kind: FaultKind, host: str, began: float, ended: float) -> None:
        """A fault, brought about and undone in no time."""
        self.strikes.append(Strike(Fault(kind, host, ended - began), host, began, began, ended, ended))

    def wish(self, at: float, unit: LoadUnit, *, text: int | None) -> None:
        """A wish that was heard at once."""
        self.wishes.append(Wish(unit.name, text, at, at))

    def told(self) -> History:
        """All of it."""
        return History(
            units={unit.name: unit for unit in self.units},
            hosts=HOSTS,
            members=HOSTS[1:],
            began=0.0,
            ended=END,
            runs=self.runs,
            strikes=self.strikes,
            wishes=self.wishes,
            takeovers=self.takeovers,
            registrations=self.registrations,
            brakes=self.brakes,
            lateness={"machine": self.late},
        )
