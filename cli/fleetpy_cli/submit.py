"""`submit`, `load` and `start`: bring units into the cluster, and onto its machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fleetpy.errors import UserError
from fleetpy.schemas.fleetpy_v1 import Change, ChangeResult
from fleetpy_cli import goals
from fleetpy_cli.cluster import connect
from fleetpy_cli.options import FleetCommand, block_options, replace_option, sign_option, units_argument
from fleetpy_cli.unit_source import Prepared, UnitSource, read_arguments
from fleetpy_cli.waiting import Result, Waiter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fleetpy.schemas.fleetpy_v1 import UnitStatus
    from fleetpy_cli.session import Session


@dataclass(frozen=True, slots=True)
class _Verb:
    """One of the three commands; each may replace units that are wanted in no higher state than it leads to."""

    name: str
    doing: str
    state: str
    replaceable: tuple[str, ...]
    goal: goals.Goal | None


_SUBMIT = _Verb("submit", "submitting", "inactive", ("inactive",), None)
_LOAD = _Verb("load", "loading", "loaded", ("inactive", "loaded"), goals.loaded)
_START = _Verb("start", "starting", "launched", ("inactive", "loaded", "launched"), goals.launched)


@click.command(cls=FleetCommand, examples=("fleetctl submit hello.service", "fleetctl submit --replace myservice/*"))
@units_argument
@replace_option
@sign_option
@click.pass_obj
def submit(session: Session, names: tuple[str, ...], *, replace: bool) -> int:
    """Upload units to the cluster without placing them.

    Each UNIT is a unit file. A unit that the cluster has already is left as it is, unless --replace is given.
    """
    return _Activation(session, _SUBMIT, replace=replace).run(names)


@click.command(cls=FleetCommand)
@units_argument
@replace_option
@sign_option
@block_options
@click.pass_obj
def load(session: Session, names: tuple[str, ...], *, replace: bool, no_block: bool, block_attempts: int) -> int:
    """Place units on machines without starting them, submitting them first if necessary.

    Each UNIT is a unit that the cluster has, or a unit file, or an instance (web@1.service) of a template
    (web@.service). Waits until each is loaded, except for global units.
    """
    return _Activation(session, _LOAD, replace=replace).run(names, no_block=no_block, attempts=block_attempts)


@click.command(cls=FleetCommand, examples=("fleetctl start hello.service", "fleetctl start web@{1..3}"))
@units_argument
@replace_option
@sign_option
@block_options
@click.pass_obj
def start(session: Session, names: tuple[str, ...], *, replace: bool, no_block: bool, block_attempts: int) -> int:
    """Start units in the cluster, submitting and placing them first if necessary.

    Each UNIT is a unit that the cluster has, or a unit file, or an instance (web@1.service) of a template
    (web@.service). Waits until its machine's systemd has started each, except for global units; says meanwhile why
    a unit can't be placed. A unit that fails as it starts is reported, and the exit code is 1 then.
    """
    return _Activation(session, _START, replace=replace).run(names, no_block=no_block, attempts=block_attempts)


class _Activation:
    """One run of one of the three commands."""

    def __init__(self, session: Session, verb: _Verb, *, replace: bool) -> None:
        self._session = session
        self._output = session.output
        self._verb = verb
        self._replace = replace

    def run(self, names: Sequence[str], *, no_block: bool = False, attempts: int = 0) -> int:
        if not names:
            self._output.note("No units given")
            return 0
        wanted = read_arguments(names)
        for unit in wanted:
            if unit.name.is_template and self._verb.goal is not None:
                example = f"{unit.name.prefix}@1.{unit.name.suffix}"
                raise UserError(
                    f"{unit.name.full} is a template: {self._verb.name} an instance of it, such as {example}"
                )
        with connect(self._session) as client:
            source = UnitSource(
                client, self._output, self._verb.name, self._verb.replaceable if self._replace else None
            )
            units = [unit for unit in source.prepare(wanted) if self._has_change(unit)]
            done = client.changes([self._change(unit) for unit in units])
            accepted, result = self._report(zip(units, done.results, strict=True), no_block=no_block)
            if self._verb.goal is not None:
                waiter = Waiter(client, self._output, attempts)
                wanted_goals = dict.fromkeys(accepted, self._verb.goal)
                before: dict[str, UnitStatus | None] = {unit.name.full: unit.known for unit in units}
                result.add(waiter.wait(wanted_goals, done.revision, doing=self._verb.doing, before=before))
            return result.exit_code

    def _has_change(self, unit: Prepared) -> bool:
        """Submitting says nothing of a unit that is there already, so that it does not stop one that runs."""
        return unit.file is not None or self._verb is not _SUBMIT

    def _change(self, unit: Prepared) -> Change:
        return Change(unit.name.full, options=unit.options, desiredState=self._verb.state)

    def _report(self, results: Iterable[tuple[Prepared, ChangeResult]], *, no_block: bool) -> tuple[list[str], Result]:
        """Say what became of the wishes; gives the units to wait for, and those that were refused."""
        accepted: list[str] = []
        refused = Result()
        verb = self._verb
        for unit, result in results:
            name = unit.name.full
            if result.status == "refused":
                self._output.error(f"{verb.name} was refused: {result.message}")
                refused.failed.append(name)
                continue
            if unit.known is None or verb is _SUBMIT:
                self._output.line(f"Unit {name} inactive")
            if verb is _SUBMIT:
                continue
            if unit.is_global:
                self._output.line(f"Triggered global unit {name} {verb.name}")
            elif no_block:
                self._output.line(f"Triggered unit {name} {verb.name}")
            else:
                accepted.append(name)
        return accepted, refused
