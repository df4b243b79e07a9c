"""`status`: what systemd says of units, on the machines where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy_cli.cluster import connect
from fleetpy_cli.machines import Runner
from fleetpy_cli.options import FleetCommand, complete_units, ssh_port_option
from fleetpy_cli.targets import find_targets

if TYPE_CHECKING:
    from fleetpy.schemas.fleetpy_v1 import UnitStatus
    from fleetpy_cli.output import Output
    from fleetpy_cli.session import Session


@click.command(cls=FleetCommand, examples=("fleetctl status hello.service", "fleetctl status 'web@*'"))
@click.argument("names", nargs=-1, required=True, metavar="UNIT…", shell_complete=complete_units)
@ssh_port_option
@click.pass_obj
def status(session: Session, names: tuple[str, ...], ssh_port: int | None) -> int:
    """Show what systemd says of units, on the machines where they are.

    It is asked by systemctl on each unit's machine: by SSH, or directly if that is this very host. UNIT may be a
    pattern, which stands for all units of the cluster that it matches. A global unit is shown on each of its
    machines. The exit code is that of the first systemctl that gave another than 0 (3: the unit does not run), and
    nothing is shown after that.
    """
    output = session.output
    with connect(session) as client:
        targets = find_targets(client, names)
        runner = Runner(session, client.machines().machines, ssh_port)
    failed = False
    for name, advice in targets.unknown.items():
        output.error(f"Unit {name} does not exist; {advice}")
        failed = True
    shown = 0
    for unit in targets.units:
        places = _places(output, unit)
        failed = failed or not places
        for machine in places:
            if shown:
                output.line("")  # as between the units of one systemctl
            shown += 1
            if unit.isGlobal:
                output.line(f"# {unit.name} on {runner.legend(machine)}")
            code = runner.run_on(machine, ["systemctl", "status", "-l", "--no-pager", unit.name])
            if code:
                return code
    return 1 if failed else 0


def _places(output: Output, unit: UnitStatus) -> list[str]:
    """The machines where the unit is; says so if there is none."""
    if unit.isGlobal:
        places = sorted(state.machineID for state in unit.states)
    else:
        places = [unit.machineID] if unit.machineID and unit.currentState != "inactive" else []
    if not places:
        output.error(f"Unit {unit.name} does not appear to be loaded." + (f" {unit.pending}" if unit.pending else ""))
    return places
