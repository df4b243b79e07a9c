"""`ssh`: a shell, or a command, on a machine or where a unit is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy.errors import InvalidUnitNameError, UsageError, UserError
from fleetpy_cli.cluster import connect
from fleetpy_cli.machines import AmbiguousMachineError, Runner, find_machine
from fleetpy_cli.options import FleetCommand, complete_machines_and_units, complete_units, ssh_port_option
from fleetpy_cli.spelling import Role, roles
from fleetpy_cli.targets import nearest, unit_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.client.client import FleetClient
    from fleetpy.schemas.fleetpy_v1 import MachineStatus, UnitStatus
    from fleetpy_cli.session import Session


class _SSHCommand(FleetCommand):
    """Options end where the remote command begins, or at `--`; before that they may be anywhere."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, remote = self._split(ctx, args)
        return super().parse_args(ctx, [*own, "--", *remote])

    def _split(self, context: click.Context, args: Sequence[str]) -> tuple[list[str], list[str]]:
        """The words that are for fleetctl, and those of the remote command."""
        targets = 0
        for index, (word, role) in enumerate(zip(args, roles(args, self.get_params(context)), strict=True)):
            if role is Role.END:
                return list(args[:index]), list(args[index + 1 :])
            targets += role is Role.ARGUMENT or word.partition("=")[0] in ("--machine", "--unit")
            if role is Role.ARGUMENT and targets > 1:
                return list(args[:index]), list(args[index:])
        return list(args), []


@click.command(
    cls=_SSHCommand,
    examples=(
        "fleetctl ssh 2444264c",
        "fleetctl ssh hello.service uptime",
        "fleetctl --tunnel 192.0.2.10 ssh hello.service",
    ),
)
@click.option("--machine", metavar="MACHINE", shell_complete=complete_machines_and_units, help="Go to this machine.")
@click.option("--unit", metavar="UNIT", shell_complete=complete_units, help="Go to the machine where this unit is.")
@click.option("-A", "--forward-agent", is_flag=True, help="Forward the SSH agent to the machine.")
@ssh_port_option
@click.argument("words", nargs=-1, metavar="{MACHINE|UNIT} [COMMAND…]", shell_complete=complete_machines_and_units)
@click.pass_obj
def ssh(
    session: Session,
    words: tuple[str, ...],
    machine: str | None,
    unit: str | None,
    ssh_port: int | None,
    *,
    forward_agent: bool,
) -> int:
    """Open a shell on a machine, or on the one where a unit is, or run a command there.

    MACHINE is as much of a machine's id as is unmistakable, or its host name or address. The exit code is the
    command's, or 255 if SSH failed. SSH is the system's own: its agent, configuration and jump hosts are used.
    """
    if machine is not None and unit is not None:
        raise UsageError("both --machine and --unit are given; give one of them")
    if machine is None and unit is None and not words:
        raise UsageError("one machine or unit must be given")
    with connect(session) as client:
        machines = client.machines().machines
        if machine is not None:
            target = _machine(machines, machine)
        elif unit is not None:
            found = _unit(client, unit)
            if found is None:
                raise UserError(f"there is no unit {unit!r} in the cluster; {nearest(client, unit_name(unit))}")
            target = _place(found)
        else:
            target = _machine_or_unit(client, machines, words[0])
            words = words[1:]
    return Runner(session, machines, ssh_port).ssh(target, words, *(["-A"] if forward_agent else []))


def _machine(machines: Sequence[MachineStatus], text: str) -> str:
    found = find_machine(machines, text)
    if found is None:
        raise UserError(f"there is no machine {text!r} in the cluster; list-machines shows those that are there")
    return found.id


def _unit(client: FleetClient, text: str) -> UnitStatus | None:
    found = client.units(frozenset([unit_name(text)])).units
    return found[0] if found else None


def _place(unit: UnitStatus) -> str:
    if unit.isGlobal:
        raise UserError(f"unit {unit.name} is global: it is on many machines; name one of those that list-units shows")
    if not unit.machineID:
        raise UserError(f"unit {unit.name} is on no machine" + (f": {unit.pending}" if unit.pending else ""))
    return unit.machineID


def _machine_or_unit(client: FleetClient, machines: Sequence[MachineStatus], text: str) -> str:
    try:
        unit = _unit(client, text)
    except InvalidUnitNameError:
        unit = None
    try:
        machine = find_machine(machines, text)
    except AmbiguousMachineError:
        if unit is None:
            raise
        machine = None
    if machine is not None and unit is not None:
        raise UserError(f"there is both a machine and a unit {text!r}; say --machine {text} or --unit {text}")
    if machine is not None:
        return machine.id
    if unit is not None:
        return _place(unit)
    raise UserError(
        f"there is neither a machine nor a unit {text!r} in the cluster; list-machines and list-unit-files show what is"
    )
