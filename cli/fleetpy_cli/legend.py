"""How machines and units are spoken of in output: a machine by the first eight digits of its id, and its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORT = 8

NAMED = 3
"""How many of the units that wait for the same reason are named."""


def machine_id_legend(machine: str, *, full: bool = False) -> str:
    """`85c0c595...`, or the whole id."""
    return machine if full else f"{machine[:SHORT]}..."


def machine_legend(machine: str, address: str, *, full: bool = False) -> str:
    """`85c0c595.../172.18.0.3`; without the address if there is none."""
    legend = machine_id_legend(machine, full=full)
    return f"{legend}/{address}" if address else legend


def unit_legend(name: str, state: str, machine: str, address: str) -> str:
    """`Unit hello.service launched on 85c0c595.../172.18.0.3`; without the machine if it is on none."""
    words = f"Unit {name} {state}"
    return f"{words} on {machine_legend(machine, address)}" if machine else words


def waiting_sentences(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """A sentence for each reason, from pairs of a unit's name and its reason, which is empty if it does not wait."""
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in reasons:
        if reason:
            names_by_reason.setdefault(reason, []).append(name)
    return [f"{_some(names)}: {reason}" for reason, names in names_by_reason.items()]


def _some(names: list[str]) -> str:
    if len(names) == 1:
        return f"Unit {names[0]} waits"
    rest = len(names) - NAMED
    named = ", ".join(names[:NAMED])
    return f"Units {named} and {rest} more wait" if rest > 0 else f"Units {named} wait"
