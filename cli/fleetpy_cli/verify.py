"""`verify`: check unit files before they are submitted. Nothing is asked of a cluster."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetpy.errors import UserError
from fleetpy.unit.requirements import read_requirements
from fleetpy_cli.options import FleetCommand
from fleetpy_cli.unit_source import find_local, read_arguments

if TYPE_CHECKING:
    from fleetpy_cli.output import Output
    from fleetpy_cli.session import Session
    from fleetpy_cli.unit_source import LocalFile, Wanted

_PATIENCE = 60.0
"""Seconds that systemd-analyze may take."""


@click.command(cls=FleetCommand, examples=("fleetctl verify hello.service", "fleetctl verify units/*"))
@click.argument("names", nargs=-1, required=True, metavar="UNIT…", type=click.Path())
@click.pass_obj
def verify(session: Session, names: tuple[str, ...]) -> int:
    """Check unit files without submitting them, and say what would be refused.

    Each UNIT is a unit file, or an instance (web@1.service) whose template's file is there. What the cluster would
    refuse is an error, and the exit code is 1 then. Where there is systemd-analyze, what it finds is shown as a
    warning: it looks from this host, and what is missing here may be there where the unit will run.
    """
    output = session.output
    failed = False
    for name in names:
        try:
            (unit,) = read_arguments([name])
            local = _checked(unit)
        except UserError as error:
            output.error(str(error))
            failed = True
            continue
        _ask_systemd(output, unit, local)
        output.line(f"{unit.name.full}: would be accepted")
    return 1 if failed else 0


def _checked(unit: Wanted) -> LocalFile:
    local = find_local(unit)
    if local is None:
        raise UserError(f"there is no file {unit.path}")
    try:
        read_requirements(unit.name, local.file)
    except UserError as error:
        raise UserError(f"unit {unit.name.full} (from {local.path}): {error}") from error
    return local


def _ask_systemd(output: Output, unit: Wanted, local: LocalFile) -> None:
    """Show what `systemd-analyze verify` says of the text that a machine would get, under the unit's own name."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    with tempfile.TemporaryDirectory(prefix="fleetctl-") as folder:
        file = Path(folder) / unit.name.full
        file.write_text(local.file.text, encoding="utf-8")
        command = [program, "verify", "--man=no", str(file)]
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and a path of our own
                command, check=False, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            output.warn(f"systemd-analyze could not be asked: {error}")
            return
    for line in done.stderr.splitlines():
        # It loads what the unit refers to as well; that is this host's, and no matter of this unit's.
        if unit.name.full in line:
            output.warn(f"systemd-analyze: {line.replace(f'{folder}/', '')}")
