"""How `fleet-lab` answers: plain tables for people, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy_lab.host import Host

_HEADER = ("HOST", "STATUS", "ADDRESS", "MACHINE", "ETCD")


def print_json(value: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(value, indent=2))


def print_value(name: str, value: str, output: str) -> None:
    """A single value, bare or as a JSON object with one field."""
    if output == "json":
        print_json({name: value})
    else:
        click.echo(value)


def print_hosts(hosts: Sequence[Host], output: str) -> None:
    """A table of hosts, or a JSON list of them."""
    if output == "json":
        print_json([asdict(host) for host in hosts])
        return
    rows = [_HEADER, *((h.name, h.status, h.address, h.machine_id, "member" if h.etcd else "-") for h in hosts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
