"""What the registry holds, as the witness sees it: each revision at the moment at which it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from fleetpy.errors import FleetError
from fleetpy.ids import MachineID, UnitHash, UnitName
from fleetpy.model.records import LeaderRecord, PlacementRecord, StateRecord, UnitFileRecord, UnitRecord
from fleetpy.registry.keys import split_machine_and_unit
from fleetpy.registry.protocol import Deleted, Entry, EventBatch
from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import Requirements, read_requirements
from tests.simulation.host import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetpy.ids import Revision

Pair = tuple[MachineID, UnitName]


@lru_cache(maxsize=4096)
def requirements_of(name: UnitName, text: str) -> Requirements:
    """What a text asks for, for the unit of that name."""
    try:
        return read_requirements(parse_unit_name(name), UnitFile.parse(text))
    except FleetError as error:
        raise AssertionError(f"{name}: {error}") from error


@dataclass(slots=True)
class Books:
    """The keys that matter, decoded."""

    placements: dict[Pair, PlacementRecord] = field(default_factory=dict)
    states: dict[Pair, StateRecord] = field(default_factory=dict)
    units: dict[UnitName, UnitRecord] = field(default_factory=dict)
    texts: dict[UnitHash, str] = field(default_factory=dict)
    registered: dict[MachineID, float] = field(default_factory=dict)
    """Since when each live machine's key has been there without a break."""
    leader: str = ""
    asked: dict[UnitName, float] = field(default_factory=dict)
    """When something was last asked for of each unit."""
    stopping: set[UnitName] = field(default_factory=set)
    """Units that were ever placed to be stopped on a partition."""
    rearranged: float = 0.0
    """When an operator last changed something about a machine."""
    braked: float = 0.0
    """When the brake on mass failure was last put on, or let go."""

    def apply(self, batch: EventBatch, now: float) -> Mapping[Pair, PlacementRecord | None]:
        """Take over what has happened; the placements that were there before it, or were not, of those changed."""
        before: dict[Pair, PlacementRecord | None] = {}
        for event in batch.events:
            self._apply(event, before, now)
            self._note(event, now)
        return before

    def set_back(self, entries: Sequence[Entry], revision: Revision, now: float) -> None:
        """The registry has become what these entries are."""
        self.asked = dict.fromkeys(self.asked, now)
        self.rearranged = self.braked = now
        for table in (self.placements, self.states, self.units, self.registered):
            table.clear()
        self.leader = ""
        self.apply(EventBatch(revision, tuple(entries)), now)

    def requirements(self, name: UnitName, unit_hash: UnitHash) -> Requirements:
        """What the unit file of this hash asks for."""
        return requirements_of(name, self.texts[unit_hash])

    def _note(self, event: Entry | Deleted, now: float) -> None:
        """When it was."""
        key = event.key
        if key.startswith(KEYS.units):
            self.asked[UnitName(key.removeprefix(KEYS.units))] = now
        elif key.startswith(KEYS.machine_settings):
            self.rearranged = now
        elif key == KEYS.brake:
            self.braked = now if isinstance(event, Deleted) else math.inf

    def _apply(self, event: Entry | Deleted, before: dict[Pair, PlacementRecord | None], now: float) -> None:
        key, value = event.key, event.value if isinstance(event, Entry) else None
        if key.startswith(KEYS.placements):
            pair = _pair(key.removeprefix(KEYS.placements))
            before.setdefault(pair, self.placements.get(pair))
            _keep(self.placements, pair, None if value is None else PlacementRecord.decode(value))
            if pair in self.placements and self.placements[pair].stops:
                self.stopping.add(pair[1])
        elif key.startswith(KEYS.states):
            pair = _pair(key.removeprefix(KEYS.states))
            _keep(self.states, pair, None if value is None else StateRecord.decode(value))
        elif key.startswith(KEYS.units):
            name = UnitName(key.removeprefix(KEYS.units))
            _keep(self.units, name, None if value is None else UnitRecord.decode(value))
        elif key.startswith(KEYS.unit_files):
            if value is not None:  # What was collected is remembered: something may still run it.
                self.texts[UnitHash(key.removeprefix(KEYS.unit_files))] = UnitFileRecord.decode(value).text
        elif key.startswith(KEYS.machines):
            machine = MachineID(key.removeprefix(KEYS.machines))
            if value is None:
                self.registered.pop(machine, None)
            else:
                self.registered.setdefault(machine, now)
        elif key == KEYS.leader:
            self.leader = "" if value is None else LeaderRecord.decode(value).identity


def _keep(table: dict, key: object, value: object) -> None:  # type: ignore[type-arg]
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _pair(rest: str) -> Pair:
    pair = split_machine_and_unit(rest)
    assert pair is not None
    return pair
