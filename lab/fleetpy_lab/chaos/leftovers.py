"""What is there of units, in the registry and on hosts, against what should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from fleetpy_lab.chaos.load import LoadUnit

Place = tuple[str, str]
"""A host and a unit."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is there."""

    units: frozenset[str]
    """That the cluster knows."""
    lacking: frozenset[str]
    """Hashes of texts that units and placements refer to and that are not there."""
    overdue: frozenset[str]
    """Hashes of texts that nothing has referred to for longer than they may stay."""
    placements: frozenset[Place]
    states: frozenset[Place]
    on_hosts: Mapping[str, frozenset[Place]]
    """By kind of thing: what hosts have of units of the load."""


def leftovers(
    holdings: Holdings,
    units: Mapping[str, LoadUnit],
    placed: Collection[str],
    known: Collection[str],
    hosts: Collection[str],
) -> list[str]:
    """In words what is too much and what is missing. `placed`: what must be on hosts; `known`: to the cluster."""
    return [
        *_differences("the registry", holdings.units, frozenset(known), "unit"),
        *_differences("the registry", holdings.overdue, holdings.lacking, "unit file"),
        *_misplaced(holdings.placements, units, placed, hosts),
        *_differences("the registry", holdings.states, holdings.placements, "state"),
        *(
            words
            for kind, places in sorted(holdings.on_hosts.items())
            for words in _differences("hosts", places, holdings.placements, kind)
        ),
    ]


def _differences(where: str, found: Collection[object], wanted: Collection[object], kind: str) -> Iterator[str]:
    yield from (f"{where}: {kind} {_words(one)} is left" for one in sorted(set(found) - set(wanted), key=str))
    yield from (f"{where}: {kind} {_words(one)} is missing" for one in sorted(set(wanted) - set(found), key=str))


def _words(one: object) -> str:
    return f"{one[1]} on {one[0]}" if isinstance(one, tuple) else str(one)


def _misplaced(
    placements: Collection[Place], units: Mapping[str, LoadUnit], placed: Collection[str], hosts: Collection[str]
) -> Iterator[str]:
    for name in sorted({name for _, name in placements} | set(placed)):
        there = sorted(host for host, unit in placements if unit == name)
        wanted = len(hosts) if units[name].is_global else 1
        if len(there) != wanted * (name in placed):
            yield f"the registry: {name} is placed on {', '.join(there) or 'no host'}"
