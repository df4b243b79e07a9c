"""What a shell offers when the user asks it to complete a word; click speaks with the shell.

Nothing here ever fails: a cluster that is away has no names to offer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from fleetpy.errors import FleetError, UserError
from fleetpy.unit.name import parse_unit_name
from fleetpy_cli.cluster import connect
from fleetpy_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import click

PATIENCE = 2.0
"""Seconds that the cluster has to answer: somebody waits with the finger on a key."""

_TAKE_FILES = frozenset({"submit", "load", "start"})


def commands(summaries: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    """The commands that begin like that."""
    return [CompletionItem(name, help=summaries[name]) for name in sorted(summaries) if name.startswith(incomplete)]


def units(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Units of the cluster; before what takes unit files, also those here. What is named already is left out."""
    named = {str(name) for name in context.params.get("names") or ()}
    command = context.info_name
    found: dict[str, str] = {}
    if command in _TAKE_FILES:
        found.update((name, "unit file") for name in _files(incomplete))
    if command != "submit":
        found.update(_units(context, incomplete))
    return [CompletionItem(name, help=words) for name, words in sorted(found.items()) if name not in named]


def machines_and_units(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Machines, and for `ssh` also units; nothing any more for the words of a remote command."""
    if context.params.get("words"):
        return []
    found: dict[str, str] = dict(_units(context, incomplete)) if parameter.name == "words" else {}
    found.update(_machines(context, incomplete))
    return [CompletionItem(name, help=words) for name, words in sorted(found.items())]


def _files(incomplete: str) -> Iterator[str]:
    """Unit files whose path begins like that, and folders."""
    folder, slash, beginning = incomplete.rpartition("/")
    try:
        entries = sorted(Path(folder + slash or ".").iterdir())
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(beginning) or (entry.name.startswith(".") and not beginning):
            continue
        if entry.is_dir():
            yield f"{folder}{slash}{entry.name}/"
        elif _is_unit(entry.name):
            yield f"{folder}{slash}{entry.name}"


def _is_unit(name: str) -> bool:
    try:
        parse_unit_name(name)
    except UserError:
        return False
    return True


def _units(context: click.Context, incomplete: str) -> dict[str, str]:
    try:
        with connect(_hasty(context)) as client:
            known = client.units().units
    except FleetError:
        return {}
    return {unit.name: unit.description or unit.desiredState for unit in known if unit.name.startswith(incomplete)}


def _machines(context: click.Context, incomplete: str) -> dict[str, str]:
    try:
        with connect(_hasty(context)) as client:
            known = client.machines().machines
    except FleetError:
        return {}
    return {
        machine.id: " ".join(filter(None, (machine.hostname, machine.primaryIP)))
        for machine in known
        if machine.id.startswith(incomplete)
    }


def _hasty(context: click.Context) -> Session:
    session = context.find_object(Session) or Session()
    session.request_timeout = min(session.request_timeout, PATIENCE)
    session.debug = False  # a command line is being typed there
    return session
