"""The units that run while faults happen: what they are, and the text of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy_lab.host import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = f"{OUTSIDE}/stamp.sh"
"""What the units run, as a host sees it: stamp.sh of this package."""
STAMPS = f"{OUTSIDE}/stamps"
"""Where they write, as a host sees it. It lies outside of the host and so survives its death."""


@dataclass(frozen=True, slots=True)
class LoadUnit:
    """A unit of the load."""

    name: str
    stops: bool = False
    """`OnPartition=stop`."""
    is_global: bool = False
    leader: str = ""
    """`MachineOf=`."""
    conflicts: str = ""
    changing: bool = False
    """It is stopped, started, destroyed and handed in again while faults happen."""

    def text(self, number: int) -> str:
        """Its unit file; the number tells one text from the next."""
        options = [
            ("OnPartition", "stop" if self.stops else ""),
            ("Global", "true" if self.is_global else ""),
            ("MachineOf", self.leader),
            ("Conflicts", self.conflicts),
        ]
        fleet = "".join(f"{name}={value}\n" for name, value in options if value)
        return (
            f"[Service]\nExecStart=/bin/bash {PROGRAM} run %n {number}\n"
            f"ExecStopPost=/bin/bash {PROGRAM} stopped\n[X-Fleet]\n{fleet}"
        )


def units() -> Mapping[str, LoadUnit]:
    """The whole load, by name."""
    several = [
        *(LoadUnit(f"keep-{number}.service") for number in range(4)),
        *(LoadUnit(f"once-{number}.service", stops=True) for number in range(3)),
        *(LoadUnit(f"apart-{number}.service", conflicts="apart-*.service") for number in range(2)),
        LoadUnit("apart-once.service", stops=True, conflicts="apart-*.service"),
        LoadUnit("beside-keep.service", leader="keep-0.service"),
        LoadUnit("beside-once.service", leader="once-0.service"),
        LoadUnit("beside-keep-once.service", leader="keep-1.service", stops=True),
        LoadUnit("every.service", is_global=True),
        *(LoadUnit(f"changing-keep-{number}.service", changing=True) for number in range(2)),
        *(LoadUnit(f"changing-once-{number}.service", changing=True, stops=True) for number in range(2)),
    ]
    return {unit.name: unit for unit in several}
