"""`stop`, `unload`, `destroy` and `restart`: for units that the cluster has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy_cli import goals
from fleetpy_cli.cluster import connect
from fleetpy_cli.options import FleetCommand, block_attempts_option, block_options, units_argument
from fleetpy_cli.targets import find_targets, is_pattern
from fleetpy_cli.waiting import Result, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetpy.client.client import FleetClient
    from fleetpy.schemas.fleetpy_v1 import UnitStatus
    from fleetpy_cli.output import Output
    from fleetpy_cli.session import Session
    from fleetpy_cli.targets import Targets


@click.command(cls=FleetCommand, examples=("fleetctl stop hello.service", "fleetctl stop 'web@*'"))
@units_argument
@block_options
@click.pass_obj
def stop(session: Session, names: tuple[str, ...], *, no_block: bool, block_attempts: int) -> int:
    """Stop units; they stay loaded on their machines, and can be started again.

    UNIT may be a pattern, which stands for all units of the cluster that it matches. Waits until each is stopped,
    except for global units.
    """
    return _lower(session, _STOP, names, no_block=no_block, attempts=block_attempts)


@click.command(cls=FleetCommand, examples=("fleetctl unload hello.service", "fleetctl unload 'web@*'"))
@units_argument
@block_options
@click.pass_obj
def unload(session: Session, names: tuple[str, ...], *, no_block: bool, block_attempts: int) -> int:
    """Take units off their machines, stopping them first; the cluster keeps their unit files.

    UNIT may be a pattern, which stands for all units of the cluster that it matches. Waits until each is on no
    machine, except for global units.
    """
    return _lower(session, _UNLOAD, names, no_block=no_block, attempts=block_attempts)


@click.command(cls=FleetCommand, examples=("fleetctl destroy hello.service", "fleetctl destroy 'web@*'"))
@units_argument
@block_options
@click.pass_obj
def destroy(session: Session, names: tuple[str, ...], *, no_block: bool, block_attempts: int) -> int:
    """Stop units and remove them from the cluster, unit files and all.

    UNIT may be a pattern, which stands for all units of the cluster that it matches. A unit that there is not is no
    error. Waits until nothing of the units is left.
    """
    output = session.output
    if not names:
        output.note("No units given")
        return 0
    with connect(session) as client:
        targets = find_targets(client, names)
        # A unit whose record cannot be read stands in no list, and can be destroyed all the same.
        unlisted = [name for name in targets.unknown if not is_pattern(name)]
        result = Result()
        changes = [Change(name, action="destroy") for name in (*(unit.name for unit in targets.units), *unlisted)]
        accepted, revision = _send(client, output, "destroy", changes, result)
        for name in targets.unknown:
            if is_pattern(name) or accepted.get(name) == "unchanged":
                accepted.pop(name, None)
                output.note(f"Unit {name} is not in the cluster: nothing to destroy")
        if no_block:
            for name in accepted:
                output.line(f"Destroyed {name}")
            return result.exit_code
        waiter = Waiter(client, output, block_attempts)
        result.add(waiter.wait_until_nothing_is_left(list(accepted), revision))
        return result.exit_code


@click.command(cls=FleetCommand, examples=("fleetctl restart hello.service", "fleetctl restart 'web@*'"))
@units_argument
@block_attempts_option
@click.pass_obj
def restart(session: Session, names: tuple[str, ...], *, block_attempts: int) -> int:
    """Restart units, one after another; a unit that is only loaded is started.

    UNIT may be a pattern, which stands for all units of the cluster that it matches. Each unit is restarted when the
    one before it runs again; if one fails, the rest are left alone. A global unit restarts on all its machines at
    once, and is not waited for.
    """
    output = session.output
    if not names:
        output.note("No units given")
        return 0
    with connect(session) as client:
        targets = find_targets(client, names)
        result = Result(failed=_report_unknown(output, targets.unknown))
        running = _without_inactive(output, targets, "restart", result)
        for index, unit in enumerate(running):
            one = _restart_one(client, output, unit, block_attempts)
            result.add(one)
            if one.exit_code:
                untouched = [left.name for left in running[index + 1 :]]
                if untouched:
                    output.error(
                        f"since unit {unit.name} did not come back, these were left alone: {' '.join(untouched)}"
                    )
                break
        return result.exit_code


def _restart_one(client: FleetClient, output: Output, unit: UnitStatus, attempts: int) -> Result:
    waiter = Waiter(client, output, attempts)
    launch = Change(unit.name, desiredState="launched")
    if client.can_restart:
        steps = [(Change(unit.name, action="restart"), goals.launched)]
    elif unit.isGlobal:
        output.error(f"an original fleetd cannot restart global unit {unit.name}; stop it, and start it")
        return Result(failed=[unit.name])
    elif unit.desiredState == "loaded":
        steps = [(launch, goals.launched)]
    else:
        steps = [(Change(unit.name, desiredState="loaded"), goals.stopped), (launch, goals.launched)]
    result = Result()
    for change, goal in steps:
        accepted, revision = _send(client, output, "restart", [change], result)
        if unit.isGlobal and accepted:
            output.line(f"Triggered global unit {unit.name} restart")
        elif accepted:
            before = {unit.name: unit}
            result.add(waiter.wait({unit.name: goal}, revision, doing="restarting", before=before))
        if result.exit_code:
            break
    return result


@dataclass(frozen=True, slots=True)
class _Verb:
    """A command that takes units down a step; `change` is what is asked for, `goal` what is waited for."""

    name: str
    doing: str
    change: Callable[[str], Change]
    goal: goals.Goal
    successfully: str


_STOP = _Verb(
    "stop", "stopping", lambda name: Change(name, desiredState="loaded"), goals.stopped, "Successfully stopped units"
)
_UNLOAD = _Verb(
    "unload",
    "unloading",
    lambda name: Change(name, desiredState="inactive"),
    goals.inactive,
    "Successfully unloaded units",
)


def _lower(session: Session, verb: _Verb, names: Sequence[str], *, no_block: bool, attempts: int) -> int:
    output = session.output
    if not names:
        output.note("No units given")
        return 0
    with connect(session) as client:
        targets = find_targets(client, names)
        result = Result(failed=_report_unknown(output, targets.unknown))
        units = _without_inactive(output, targets, verb.name, result) if verb is _STOP else targets.units
        accepted, revision = _send(client, output, verb.name, [verb.change(unit.name) for unit in units], result)
        is_global = {unit.name: unit.isGlobal for unit in units}
        for name in accepted:
            if is_global[name] or no_block:
                output.line(f"Triggered {'global ' if is_global[name] else ''}unit {name} {verb.name}")
        blocking = [] if no_block else [name for name in accepted if not is_global[name]]
        result.add(
            Waiter(client, output, attempts).wait(dict.fromkeys(blocking, verb.goal), revision, doing=verb.doing)
        )
        if blocking and not result.exit_code:
            output.note(f"{verb.successfully} [{' '.join(blocking)}].")
        return result.exit_code


def _report_unknown(output: Output, unknown: Mapping[str, str]) -> list[str]:
    for name, advice in unknown.items():
        output.error(f"unit {name} is not in the cluster; {advice}")
    return list(unknown)


def _without_inactive(output: Output, targets: Targets, verb: str, result: Result) -> list[UnitStatus]:
    """The units that are wanted on a machine. Those that are not are passed over, unless they were named."""
    for unit in targets.units:
        if unit.desiredState == "inactive" and unit.name in targets.named:
            output.error(f"Unable to {verb} unit {unit.name} in state inactive")
            result.failed.append(unit.name)
    return [unit for unit in targets.units if unit.desiredState != "inactive"]


def _send(
    client: FleetClient, output: Output, verb: str, changes: Sequence[Change], result: Result
) -> tuple[dict[str, str], int]:
    """Ask for changes and tell which were refused; what became of each of the others, by unit, and the revision."""
    done = client.changes(changes)
    for one in done.results:
        if one.status == "refused":
            output.error(f"{verb} was refused: {one.message}")
            result.failed.append(one.name)
    return {one.name: one.status for one in done.results if one.status != "refused"}, done.revision
