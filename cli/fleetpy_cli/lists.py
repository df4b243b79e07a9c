"""`list-units`, `list-unit-files` and `list-machines`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleetpy_cli.cluster import connect
from fleetpy_cli.legend import machine_id_legend, machine_legend, waiting_sentences
from fleetpy_cli.options import FleetCommand, selected_units_argument
from fleetpy_cli.tables import FORMS, NOTHING, Column, Form, Listing
from fleetpy_cli.targets import selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.client.client import FleetClient
    from fleetpy.schemas.fleetpy_v1 import MachineStatus, UnitStatus
    from fleetpy.schemas.v1 import UnitStateEntity
    from fleetpy_cli.session import Session

SHORT_HASH = 7

F = TypeVar("F", bound="Callable[..., Any]")

_STYLES = {
    "active": "green",
    "activating": "yellow",
    "deactivating": "yellow",
    "reloading": "yellow",
    "failed": "red",
    "launched": "green",
}


@dataclass(frozen=True, slots=True)
class _UnitOnMachine:
    """What a machine says of a unit, and the machine's address."""

    state: UnitStateEntity
    address: str


@dataclass(frozen=True, slots=True)
class _UnitFileRow:
    """A unit, and its machine's address."""

    unit: UnitStatus
    address: str


def _plain(attribute: Callable[[Any], str]) -> Column[Any]:
    """A column of words that are the same in every form, and coloured if they say how well a unit is."""
    return Column(
        lambda row, _full: attribute(row) or NOTHING,
        lambda row: attribute(row) or None,
        lambda row: _STYLES.get(attribute(row), ""),
    )


def _hash(attribute: Callable[[Any], str]) -> Column[Any]:
    return Column(
        lambda row, full: (attribute(row) if full else attribute(row)[:SHORT_HASH]) or NOTHING,
        lambda row: attribute(row) or None,
    )


def _target_text(row: _UnitFileRow, full: bool) -> str:  # noqa: FBT001 - a column's text is asked for like this
    if row.unit.isGlobal:
        return "global"
    return machine_legend(row.unit.machineID, row.address, full=full) if row.unit.machineID else NOTHING


def _metadata_text(machine: MachineStatus) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(machine.metadata.items())) or NOTHING


_TARGET: Column[_UnitFileRow] = Column(
    _target_text, lambda row: "global" if row.unit.isGlobal else row.unit.machineID or None
)

UNITS: Listing[_UnitOnMachine] = Listing(
    columns={
        "unit": _plain(lambda row: row.state.name),
        "machine": Column(
            lambda row, full: (
                machine_legend(row.state.machineID, row.address, full=full) if row.state.machineID else NOTHING
            ),
            lambda row: row.state.machineID or None,
        ),
        "load": _plain(lambda row: row.state.systemdLoadState),
        "active": _plain(lambda row: row.state.systemdActiveState),
        "sub": _plain(lambda row: row.state.systemdSubState),
        "hash": _hash(lambda row: row.state.hash),
    },
    default=("unit", "machine", "active", "sub"),
    wide=("unit", "machine", "load", "active", "sub", "hash"),
    name=lambda row: row.state.name,
)

UNIT_FILES: Listing[_UnitFileRow] = Listing(
    columns={
        "unit": _plain(lambda row: row.unit.name),
        "hash": _hash(lambda row: row.unit.hash),
        "dstate": _plain(lambda row: row.unit.desiredState),
        "state": _plain(lambda row: "" if row.unit.isGlobal else row.unit.currentState),
        "target": _TARGET,
        "tmachine": _TARGET,
        "global": Column(lambda row, _full: str(row.unit.isGlobal).lower(), lambda row: row.unit.isGlobal),
        "desc": _plain(lambda row: row.unit.description),
        "pending": _plain(lambda row: row.unit.pending),
    },
    default=("unit", "hash", "dstate", "state", "target"),
    wide=("unit", "hash", "dstate", "state", "target", "global", "desc", "pending"),
    name=lambda row: row.unit.name,
)

MACHINES: Listing[MachineStatus] = Listing(
    columns={
        "machine": Column(lambda machine, full: machine_id_legend(machine.id, full=full), lambda machine: machine.id),
        "ip": _plain(lambda machine: machine.primaryIP),
        "metadata": Column(lambda machine, _full: _metadata_text(machine), lambda machine: dict(machine.metadata)),
        "hostname": _plain(lambda machine: machine.hostname),
    },
    default=("machine", "ip", "metadata"),
    wide=("machine", "ip", "hostname", "metadata"),
    name=lambda machine: machine.id,
)


def list_options(listing: Listing[Any]) -> Callable[[F], F]:
    """The options that every list has."""

    def add(command: F) -> F:
        for option in (
            click.option("-o", "--output", "form", type=click.Choice(FORMS), default="table", help="How to show it."),
            click.option(
                "--fields",
                metavar="FIELD,…",
                help=f"Columns to show, separated by commas, of {', '.join(listing.columns)}. "
                f"Default: {','.join(listing.default)}.",
            ),
            click.option("--no-legend", is_flag=True, help="Leave the column headers out."),
            click.option("-l", "--full", is_flag=True, help="Do not shorten ids and hashes."),
        ):
            command = option(command)
        return command

    return add


@click.command(
    "list-units",
    cls=FleetCommand,
    examples=("fleetctl list-units --no-legend --fields unit,active", "fleetctl list-units 'web@*'"),
)
@selected_units_argument
@list_options(UNITS)
@click.pass_obj
def list_units(
    session: Session, names: tuple[str, ...], form: str, fields: str | None, *, no_legend: bool, full: bool
) -> int:
    """List the units that are on machines, with what each machine's systemd says of them.

    With UNIT, only these; it may be a pattern.
    """
    is_wanted = selection(names)
    shape = Form(form, fields, full=full, legend=not no_legend)
    UNITS.fields(shape)
    with connect(session) as client:
        addresses = _addresses(client)
        rows = [
            _UnitOnMachine(state, addresses.get(state.machineID, ""))
            for state in client.states()
            if is_wanted(state.name)
        ]
    UNITS.show(session.output, shape, rows)
    return 0


@click.command("list-unit-files", cls=FleetCommand, examples=("fleetctl list-unit-files -o wide",))
@selected_units_argument
@list_options(UNIT_FILES)
@click.pass_obj
def list_unit_files(
    session: Session, names: tuple[str, ...], form: str, fields: str | None, *, no_legend: bool, full: bool
) -> int:
    """List all units that the cluster has, with what is wanted of them and where they are.

    With UNIT, only these; it may be a pattern. On a terminal, and in the column `pending`, it says why a unit is not
    placed.
    """
    is_wanted = selection(names)
    shape = Form(form, fields, full=full, legend=not no_legend)
    if "tmachine" in UNIT_FILES.fields(shape):
        session.output.warn('The "tmachine" field is deprecated. Use "target" instead')
    with connect(session) as client:
        addresses = _addresses(client)
        units = [unit for unit in client.units().units if is_wanted(unit.name)]
    UNIT_FILES.show(session.output, shape, [_UnitFileRow(unit, addresses.get(unit.machineID, "")) for unit in units])
    if form == "table" and session.output.terminal:
        for sentence in waiting_sentences((unit.name, unit.pending) for unit in units):
            session.output.note(sentence)
    return 0


@click.command("list-machines", cls=FleetCommand, examples=("fleetctl list-machines --full --no-legend",))
@list_options(MACHINES)
@click.pass_obj
def list_machines(session: Session, form: str, fields: str | None, *, no_legend: bool, full: bool) -> int:
    """List the machines that are in the cluster now."""
    shape = Form(form, fields, full=full, legend=not no_legend)
    MACHINES.fields(shape)
    with connect(session) as client:
        machines = client.machines().machines
    MACHINES.show(session.output, shape, machines)
    return 0


def _addresses(client: FleetClient) -> dict[str, str]:
    return {machine.id: machine.primaryIP for machine in client.machines().machines}
