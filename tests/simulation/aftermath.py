"""What must be true when the faults are over: everybody runs what was asked for last, once, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.planner.plan import plan
from fleetpy.planner.snapshot import Circumstances
from fleetpy.registry.cluster import Tables
from fleetpy.registry.view import Changes
from fleetpy_agent.reconcile import is_newer
from tests.simulation.host import KEYS
from tests.simulation.schedulers import SETTINGS
from tests.simulation.systemd import RUNNING, STARTING
from tests.unit.planner.slow import slow_refuses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fleetpy.ids import UnitName
    from fleetpy.planner.snapshot import Placement, Snapshot
    from fleetpy.registry.decoding import StoredState, StoredUnit
    from fleetpy.registry.memory import MemoryStore
    from tests.simulation.host import Host

_LONG_AGO = 600.0
"""Seconds since when all has been quiet, as far as holds go."""


def what_is_wrong(store: MemoryStore, hosts: Collection[Host], now: float) -> list[str]:
    """In words, everything that is not as it should be."""
    tables = tables_of(store)
    lost_at = dict.fromkeys(tables.placed_machines(), now - _LONG_AGO)
    snapshot = tables.snapshot(Circumstances(tables.revision, lost_at, now - _LONG_AGO, released=tables.released))
    return [
        *(f"{host.letter} is not registered" for host in hosts if host.up and host.id not in snapshot.machines),
        *([] if tables.leader else ["nobody leads"]),
        *(f"still planned: {action}" for action in plan(snapshot, now, SETTINGS).actions),
        *(wrong for unit in sorted(snapshot.units) for wrong in _wrong_placements(snapshot, unit)),
        *(f"{name} is left out: {why}" for name, why in tables.left_out.items()),
        *(wrong for host in hosts for wrong in _wrong_host(tables, host)),
    ]


def tables_of(store: MemoryStore) -> Tables:
    """What a scheduler would see, or the API."""
    tables = Tables(KEYS)
    page = store.read(KEYS.prefix)
    decoded = {entry.key: value for entry in page.entries if (value := tables.decode(entry)) is not None}
    tables.apply(Changes(page.revision, decoded, frozenset()))
    return tables


def _wrong_placements(snapshot: Snapshot, name: UnitName) -> Iterator[str]:
    """Whether a unit is where it should be, by rules of the slow kind."""
    unit = snapshot.units[name]
    placed = {machine for machine, other in snapshot.placements if other == name and machine in snapshot.machines}
    free = {machine for machine in snapshot.machines if not slow_refuses(snapshot, unit, machine)}
    if unit.goal is UnitGoal.INACTIVE:
        if placed:
            yield f"{name} is inactive, and placed on {len(placed)} machines"
    elif unit.requirements.is_global:
        if free - placed:
            yield f"{name} is global, and not on {', '.join(sorted(machine[0] for machine in free - placed))}"
    elif going := [machine for machine in placed if snapshot.placements[machine, name].goal is UnitGoal.INACTIVE]:
        yield f"{name} has still to go from {going[0][0]}"
    elif len(placed) > 1 or (free and not placed):
        yield f"{name} is placed on {len(placed)} machines, and {len(free)} could have it"


def _wrong_host(tables: Tables, host: Host) -> Iterator[str]:
    """Whether a host has what is placed there and nothing else, and whether the registry knows how it is."""
    placed = {name: placement for (machine, name), placement in tables.placements.items() if machine == host.id}
    states = {name: state for (machine, name), state in tables.states.items() if machine == host.id}
    if not host.up:
        if states:
            yield f"{host.letter} is off, and there are states of it"
        return
    systemd, files = host.systemd, host.files
    wanted = {name for name, unit in tables.units.items() if unit.desired is not UnitGoal.INACTIVE}
    left = {name for name, record in files.records().items() if record.adrift} - wanted
    for what, names in (
        ("in systemd", systemd.linked()),
        ("on disk", files.texts.keys()),
        ("in the ledger", files.records().keys()),
        ("among the states", states.keys()),
    ):
        if set(names) - left != placed.keys():
            yield f"{host.letter} has {sorted(names)} {what}, and {sorted(placed)} placed on it"
    if strays := set(systemd.up()) - placed.keys() - left:
        yield f"{host.letter} runs {sorted(strays)}, which is not placed on it"
    for name, placement in sorted(placed.items()):
        unit, state = tables.units.get(name), states.get(name)
        if unit is not None and state is not None:
            stored = tables.unit_files[unit.hash].file
            yield from _wrong_unit(host, placement, stored.text if stored is not None else "")
            yield from _wrong_state(host, placement, unit, state)


def _wrong_unit(host: Host, placement: Placement, text: str) -> Iterator[str]:
    """Whether systemd does with a unit what was asked for."""
    name, systemd = placement.name, host.systemd
    active = systemd.active(name)
    if placement.goal is UnitGoal.LAUNCHED:
        usual = host.behaviours[name]
        if (
            active not in {RUNNING, "failed", STARTING if usual.start is None else RUNNING}
            and usual.becomes != "inactive"
        ):
            yield f"{name} is {active} on {host.letter}, and was to run"
        if (running := systemd.running_text(name)) is not None and running != text:
            yield f"{name} runs with an old text on {host.letter}"
    elif active == RUNNING:
        yield f"{name} runs on {host.letter}, and was to be loaded only"


def _wrong_state(host: Host, placement: Placement, unit: StoredUnit, state: StoredState) -> Iterator[str]:
    """Whether what the registry says of a unit is true."""
    report = state.report
    said = (report.uid, report.epoch, report.hash, state.goal, state.restarted, state.active)
    active = host.systemd.active(unit.name)
    # A restart that hangs has not been carried out; of one that was carried out the registry may have been set back.
    hangs = host.behaviours[unit.name].start is None and state.restarted is None
    restarted = state.restarted if hangs or is_newer(state.restarted, unit.restarted) else unit.restarted
    true = (placement.uid, placement.epoch, unit.hash, unit.desired, restarted, active)
    if said != true:
        yield f"{host.letter} says {said} of {unit.name}; it is {true}"
