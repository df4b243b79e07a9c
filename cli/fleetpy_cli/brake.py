"""`brake`: the brake on mass failure, shown and released."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fleetpy.errors import UserError
from fleetpy.schemas.fleetpy_v1 import BrakeRelease
from fleetpy_cli.cluster import connect
from fleetpy_cli.options import FleetCommand

if TYPE_CHECKING:
    from fleetpy.schemas.fleetpy_v1 import Brake
    from fleetpy_cli.session import Session


@click.command(cls=FleetCommand, examples=("fleetctl brake", "fleetctl brake --release"))
@click.option("--release", is_flag=True, help="Give the machines up: start their units elsewhere now.")
@click.option(
    "--machine",
    "machines",
    multiple=True,
    metavar="MACHINE",
    help="With --release: only this machine, by as much of its id as is unmistakable; may be given several times.",
)
@click.pass_obj
def brake(session: Session, machines: tuple[str, ...], *, release: bool) -> int:
    """Show whether the brake on mass failure is on, and release it.

    When more than 55 % of five or more machines vanish at once, their units are not started elsewhere for five
    minutes: that looks like a fault of the network, and the few machines left could not bear all of it. Once you know
    that the machines will not return, `--release` has their units started on the others. A unit with
    `OnPartition=stop` still waits until its host must have stopped it.
    """
    output = session.output
    with connect(session) as client:
        shown = client.brake()
        if not shown.machines:
            output.line("The brake is off: no machines have vanished at once.")
            return 0
        if not release:
            if machines:
                raise click.UsageError("--machine goes with --release")
            output.line(_sentence(shown))
            output.line("MACHINE\tUNITS")
            for held in shown.machines:
                output.line(f"{held.machineID}\t{held.units}")
            return 0
        ids = _chosen(shown, machines)
        client.release_brake(BrakeRelease(ids))
    units = sum(held.units for held in shown.machines if held.machineID in ids)
    output.line(f"Released {len(ids)} lost machines: their {units} units start elsewhere.")
    return 0


def _chosen(shown: Brake, beginnings: tuple[str, ...]) -> list[str]:
    """The held machines whose ids begin like that, or all; raises `UserError` for what is not one machine."""
    held = [machine.machineID for machine in shown.machines]
    if not beginnings:
        return held
    chosen: list[str] = []
    for beginning in beginnings:
        found = [machine for machine in held if beginning and machine.startswith(beginning.rstrip(".").lower())]
        if len(found) != 1:
            what = "any of " + ", ".join(found) if found else f"none of those that it holds: {', '.join(held)}"
            raise UserError(f"machine {beginning!r} could be {what}")
        chosen += [found[0]] if found[0] not in chosen else []
    return chosen


def _sentence(shown: Brake) -> str:
    until = datetime.fromisoformat(shown.until).astimezone(UTC)
    left = max(0, round((until - datetime.now(UTC)).total_seconds()))
    return (
        f"The brake is on: {shown.lost} of {shown.total} machines vanished at once. The units of these stay where they "
        f"are until {until:%Y-%m-%d %H:%M:%S} UTC (in {left} s), in case the machines return; "
        "`fleetctl brake --release` starts them elsewhere now."
    )
