"""`cat`: show unit files as the cluster has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy.unit.file import UnitFile, UnitOption
from fleetpy_cli.cluster import connect
from fleetpy_cli.options import FleetCommand, complete_units
from fleetpy_cli.targets import find_targets

if TYPE_CHECKING:
    from fleetpy.schemas.v1 import UnitEntity
    from fleetpy_cli.session import Session


@click.command(cls=FleetCommand, examples=("fleetctl cat hello.service", "fleetctl cat 'web@*'"))
@click.argument("names", nargs=-1, required=True, metavar="UNIT…", shell_complete=complete_units)
@click.pass_obj
def cat(session: Session, names: tuple[str, ...]) -> int:
    """Show the unit files of units, as the cluster has them.

    UNIT may be a pattern, which stands for all units of the cluster that it matches. If there are several, a comment
    with the unit's name stands before each.
    """
    output = session.output
    with connect(session) as client:
        targets = find_targets(client, names)
        entities = [client.unit(unit.name) for unit in targets.units]
    shown = [entity for entity in entities if entity is not None]
    for index, entity in enumerate(shown):
        if len(shown) > 1:
            output.line(f"# {entity.name}" if index == 0 else f"\n# {entity.name}")
        output.text(_text(entity))
    for name, advice in targets.unknown.items():
        output.error(f"Unit {name} not found: it is not in the cluster; {advice}")
    return 1 if targets.unknown else 0


def _text(entity: UnitEntity) -> str:
    return UnitFile(tuple(UnitOption(option.section, option.name, option.value) for option in entity.options)).text
