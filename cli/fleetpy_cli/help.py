"""`help`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy_cli.commands import COMMANDS
from fleetpy_cli.main import unknown_command
from fleetpy_cli.options import FleetCommand

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fleetpy_cli.completion import commands  # noqa: PLC0415 - for a shell that asks, and nobody else

    return commands({name: entry.summary for name, entry in COMMANDS.items()}, incomplete)


@click.command("help", cls=FleetCommand)
@click.argument("command", required=False, metavar="[COMMAND]", shell_complete=_complete)
@click.pass_context
def show_help(context: click.Context, command: str | None) -> int:
    """Show what there is to know about a command."""
    root = context.find_root()
    if command is None:
        click.echo(root.get_help())
        return 0
    group = root.command
    found = group.get_command(root, command) if isinstance(group, click.Group) else None
    if found is None:
        raise unknown_command(command, context)
    with click.Context(found, info_name=found.name, parent=root) as about:
        click.echo(found.get_help(about))
    return 0
