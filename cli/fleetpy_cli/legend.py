"""How machines are called in output: by the first eight digits of the id, and the address."""

from __future__ import annotations

SHORT = 8


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
