"""`explain`: where a unit is or would go, and why not elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy_cli.cluster import connect
from fleetpy_cli.legend import machine_legend
from fleetpy_cli.options import FleetCommand, complete_units
from fleetpy_cli.targets import unit_name

if TYPE_CHECKING:
    from fleetpy_cli.session import Session


@click.command(cls=FleetCommand, examples=("fleetctl explain hello.service",))
@click.argument("name", metavar="UNIT", shell_complete=complete_units)
@click.pass_obj
def explain(session: Session, name: str) -> int:
    """Say where a unit is, where it would go, and what each machine has against it."""
    output = session.output
    with connect(session) as client:
        explanation = client.explain(unit_name(name))
        addresses = {machine.id: machine.primaryIP for machine in client.machines().machines}
    output.line(f"{explanation.name}: {explanation.summary}")
    for verdict in explanation.machines:
        machine = machine_legend(verdict.machineID, addresses.get(verdict.machineID, ""))
        here = "here" if verdict.machineID == explanation.machineID else "yes" if verdict.eligible else "no"
        output.line("\t".join([machine, here, verdict.reason or "-"]))
    return 0
