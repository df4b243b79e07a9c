"""`version`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy import __version__
from fleetpy_cli.options import FleetCommand

if TYPE_CHECKING:
    from fleetpy_cli.session import Session

VERSION_LINE = f"fleetctl version {__version__}"


@click.command(cls=FleetCommand)
@click.pass_obj
def version(session: Session) -> int:
    """Show fleetctl's version."""
    session.output.line(VERSION_LINE)
    return 0
