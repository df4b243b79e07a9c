"""`cordon`, `uncordon` and `drain`: machines that are to take no new units, or to give up those that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleetpy.errors import UserError
from fleetpy.schemas.fleetpy_v1 import MachineChange, MachineStatus
from fleetpy_cli import goals
from fleetpy_cli.cluster import connect
from fleetpy_cli.legend import machine_legend
from fleetpy_cli.machines import find_machine
from fleetpy_cli.options import FleetCommand, block_options, complete_machines_and_units
from fleetpy_cli.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetpy.client.client import FleetClient
    from fleetpy_cli.session import Session

F = TypeVar("F", bound="Callable[..., Any]")


def machines_argument(command: F) -> F:
    """One machine or more."""
    return click.argument(
        "machines", nargs=-1, required=True, metavar="MACHINE…", shell_complete=complete_machines_and_units
    )(command)


@click.command(cls=FleetCommand, examples=("fleetctl cordon 85c0c595",))
@machines_argument
@click.pass_obj
def cordon(session: Session, machines: tuple[str, ...]) -> int:
    """Have machines take no new units; what they have goes on running.

    MACHINE is as much of a machine's id as is unmistakable, or its host name or address.
    """
    return _set(session, machines, MachineChange(cordoned=True), "takes no new units")


@click.command(cls=FleetCommand, examples=("fleetctl uncordon 85c0c595",))
@machines_argument
@click.pass_obj
def uncordon(session: Session, machines: tuple[str, ...]) -> int:
    """Have machines take units again, after `cordon` or `drain`."""
    return _set(session, machines, MachineChange(cordoned=False, draining=False), "takes units again")


@click.command(cls=FleetCommand, examples=("fleetctl drain 85c0c595", "fleetctl uncordon 85c0c595"))
@machines_argument
@block_options
@click.pass_obj
def drain(session: Session, machines: tuple[str, ...], *, no_block: bool, block_attempts: int) -> int:
    """Move all units away from machines, which take none until `uncordon`; for upgrades and repairs.

    Waits until nothing of the cluster's runs on them any more. A unit that no other machine can take is stopped, and
    waits until one can.
    """
    output = session.output
    with connect(session) as client:
        found = _find(client, machines)
        drained = frozenset(machine.id for machine in found)
        for machine in found:
            client.change_machine(machine.id, MachineChange(draining=True))
        page = client.units()
        here = [unit for unit in page.units if goals.is_on(unit, drained)]
        if not no_block:
            waiter = Waiter(client, output, block_attempts)
            wanted = {unit.name: goals.off(drained) for unit in here}
            result = waiter.wait(wanted, page.revision, doing="draining")
            if result.exit_code:
                return result.exit_code
    for machine in found:
        words = "is being drained" if no_block else "is drained, and takes no units until `fleetctl uncordon`"
        output.line(f"Machine {machine_legend(machine.id, machine.primaryIP)} {words}")
    return 0


def _set(session: Session, names: Sequence[str], change: MachineChange, words: str) -> int:
    with connect(session) as client:
        for machine in _find(client, names):
            client.change_machine(machine.id, change)
            session.output.line(f"Machine {machine_legend(machine.id, machine.primaryIP)} {words}")
    return 0


def _find(client: FleetClient, names: Sequence[str]) -> list[MachineStatus]:
    """The machines, each once; raises `UserError` for one that is not there, before anything is asked of any."""
    listed = client.machines().machines
    found: dict[str, MachineStatus] = {}
    for name in names:
        machine = find_machine(listed, name)
        if machine is None:
            raise UserError(f"there is no machine {name!r} in the cluster; list-machines shows those that are there")
        found[machine.id] = machine
    return list(found.values())
