"""`journal`: a unit's journal, from the machine where the unit is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy.errors import UserError
from fleetpy_cli.cluster import connect
from fleetpy_cli.machines import Runner, find_machine
from fleetpy_cli.numbers import Whole
from fleetpy_cli.options import FleetCommand, complete_machines_and_units, complete_units, ssh_port_option
from fleetpy_cli.targets import nearest, unit_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.client.client import FleetClient
    from fleetpy.schemas.fleetpy_v1 import MachineStatus
    from fleetpy_cli.session import Session


@click.command(cls=FleetCommand, examples=("fleetctl journal hello.service", "fleetctl journal -f --lines 100 hello"))
@click.argument("name", metavar="UNIT", shell_complete=complete_units)
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is added.")
@click.option(
    "-n", "--lines", type=Whole(0), default=10, metavar="N", help="How many of the last lines to show. Default: 10."
)
@click.option(
    "--output",
    "form",
    default="short",
    metavar="FORM",
    help="journalctl's output format on the machine. Default: short.",
)
@click.option("--sudo", is_flag=True, help="Run journalctl with sudo on the machine.")
@click.option(
    "--machine",
    metavar="MACHINE",
    shell_complete=complete_machines_and_units,
    help="The machine's journal to show, for a global unit or one that was there before.",
)
@ssh_port_option
@click.pass_obj
def journal(  # noqa: PLR0913 - as many as the command has options
    session: Session,
    name: str,
    lines: int,
    form: str,
    machine: str | None,
    ssh_port: int | None,
    *,
    follow: bool,
    sudo: bool,
) -> int:
    """Show the journal of a unit, wherever it is.

    It is read by journalctl on the unit's machine: by SSH, or directly if that is this very host.
    """
    unit = unit_name(name)
    with connect(session) as client:
        machines = client.machines().machines
        target = _place(client, unit) if machine is None else _named(machines, machine)
    command = ["sudo"] * sudo + ["journalctl", "--unit", unit, "--no-pager", "-n", str(lines), "--output", form]
    return Runner(session, machines, ssh_port).run_on(target, command + ["-f"] * follow)


def _place(client: FleetClient, name: str) -> str:
    units = client.units(frozenset([name])).units
    if not units:
        raise UserError(f"Unit {name} does not exist; {nearest(client, name)}")
    (unit,) = units
    if unit.isGlobal:
        raise UserError(
            f"Unable to retrieve journal of global unit {name}: it is on many machines; give one with --machine"
        )
    if unit.currentState == "inactive" or not unit.machineID:
        raise UserError(f"Unit {name} does not appear to be running." + (f" {unit.pending}" if unit.pending else ""))
    return unit.machineID


def _named(machines: Sequence[MachineStatus], text: str) -> str:
    found = find_machine(machines, text)
    if found is None:
        raise UserError(f"there is no machine {text!r} in the cluster; list-machines shows those that are there")
    return found.id
