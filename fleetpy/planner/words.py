"""How the planner says things: the phrases that several of its modules use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.planner.snapshot import Placement, Unit

_SHORT = 8
_NAMED = 3


def short(machine: MachineID) -> str:
    """A machine's id as people read it: its first eight digits, as the original fleet abbreviated."""
    return machine[:_SHORT]


def enumerated(words: Sequence[str]) -> str:
    """Words in a row, "a, b and c"; of many, the first few: "a, b, c and 7 more"."""
    if len(words) > _NAMED + 1:
        words = [*words[:_NAMED], f"{len(words) - _NAMED} more"]
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def waits_for(machines: Iterable[MachineID]) -> str:
    """For a unit that some machines have still to stop."""
    return f"waits for {enumerated([short(machine) for machine in sorted(machines)])} to stop it"


def lost_with(machines: Iterable[MachineID], why: str) -> str:
    """For a unit whose machines are lost, and that may not go elsewhere yet."""
    names = sorted({short(machine) for machine in machines})
    are = "is" if len(names) == 1 else "are"
    return f"{enumerated(names)}, which had it, {are} lost; {why}"


def vanished_at_once(lost: int, total: int) -> str:
    """For a unit that the brake on mass failure holds on its lost machine."""
    return f"{lost} of {total} machines vanished at once, and are given time to return"


def round_in_circles(circle: Sequence[UnitName]) -> str:
    """For a unit that follows itself: `circle` is it, then who follows it, and so on."""
    first, *others = circle
    said = [f"which follows {name}" for name in [*reversed(others), first][1:]]
    if len(said) > _NAMED:
        said = [*said[: _NAMED - 1], "and so on", said[-1]]
    chain = ", ".join([f"it follows {others[-1] if others else first}", *said])
    return f"{chain}: none of them can be the first"


def homeless_leader(leader: UnitName, unit: Unit | None, *, wanted: bool) -> str:
    """For a unit that follows one that is on no machine."""
    if unit is None:
        return f"it follows {leader}, which does not exist"
    return f"it follows {leader}, which is {'on no machine' if wanted else 'not to be on any machine'}"


def changes(placement: Placement, unit: Unit, *, stops: bool) -> str:
    """What is new in the unit since it was placed, as the reason for an update; empty if nothing is.

    `stops`: on that machine, as things now are, the unit may stop by itself when the machine is cut off.
    """
    known = placement.hash, placement.goal, placement.restarted, placement.stops
    if known == (unit.hash, unit.goal, unit.restarted, stops):
        return ""
    parts: list[str] = []
    if placement.hash != unit.hash:
        parts.append("its text has changed")
    if placement.goal is not unit.goal:
        parts.append(f"it is to be {unit.goal}")
    if placement.restarted != unit.restarted:
        parts.append("a restart was asked for" if unit.restarted is not None else "its restart stamp was withdrawn")
    if not parts:
        parts.append(f"it {'now' if stops else 'no longer'} stops when the machine is cut off")
    return ", ".join(parts)


def homes(machines: Collection[MachineID], total: int, *, is_global: bool) -> str:
    """Where a unit is that is on some machine."""
    if is_global:
        return f"it is on {len(machines)} of {total} machines"
    return f"it is on {enumerated([short(machine) for machine in sorted(machines)])}"
