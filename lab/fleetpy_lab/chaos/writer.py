"""Somebody who wants things of the cluster while faults happen, and writes down what, and when."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from fleetpy.client.client import FleetClient
from fleetpy.errors import FleetError
from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy.schemas.v1 import UnitOptionEntity
from fleetpy.unit.file import UnitFile
from fleetpy_lab.chaos.clock import boot_time
from fleetpy_lab.chaos.history import Wish
from fleetpy_lab.errors import LabError
from fleetpy_lab.host import HostStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from fleetpy_lab.chaos.load import LoadUnit
    from fleetpy_lab.lab import Lab

_REQUEST = 5.0
_AGAIN = 0.5
_PATIENCE = 120.0
"""Seconds until an answer is no longer waited for: several times what any fault lasts."""
_PAUSES = (1.0, 6.0)
"""Seconds between two wishes."""


class Writer:
    """Wishes for the units of a load, through the API of whichever host answers."""

    def __init__(self, lab: Lab, dice: Random, units: Mapping[str, LoadUnit]) -> None:
        self._lab = lab
        self._dice = dice
        self._units = units
        self._stop = threading.Event()
        self._texts: dict[str, int] = {}
        self._entry: str | None = None
        """The host whose API is asked; another when it fails."""
        self.wishes: list[Wish] = []
        self.known: dict[str, str] = {}
        """Units that the cluster knows, and the state that each is to be in."""

    def start_all(self) -> None:
        """Hand the whole load in, and start it."""
        self._wish([self._start(unit, 1) for unit in self._units])

    def destroy_all(self) -> None:
        """Destroy it all."""
        self._wish([Change(unit, "destroy") for unit in self.known])

    def stop(self) -> None:
        """End `run` once it has its answer."""
        self._stop.set()

    def run(self) -> None:
        """Want this and that of the units that change, until `stop`."""
        changing = sorted(name for name, unit in self._units.items() if unit.changing)
        while changing and not self._stop.wait(self._dice.uniform(*_PAUSES)):
            self._turn(self._dice.choice(changing))

    def launched(self) -> list[str]:
        """What is to run."""
        return [unit for unit, state in dict(self.known).items() if state == "launched"]

    def _turn(self, unit: str) -> None:
        text = self._texts[unit]
        if unit not in self.known:
            self._wish([self._start(unit, text + self._dice.choice((0, 1)))])
        elif self.known[unit] != "launched":
            self._wish([self._start(unit, text)])
        else:
            self._undo(unit, text)

    def _undo(self, unit: str, text: int) -> None:
        deed = self._dice.choice(("loaded", "inactive", "destroy", "renew"))
        if deed in {"loaded", "inactive"}:
            self._wish([Change(unit, desiredState=deed)])
            return
        self._wish([Change(unit, "destroy")])
        if deed == "renew":
            self._wish([self._start(unit, text + self._dice.choice((0, 1)))])

    def _start(self, unit: str, text: int) -> Change:
        self._texts[unit] = text
        options = UnitFile.parse(self._units[unit].text(text)).options
        entities = [UnitOptionEntity(option.section, option.name, option.value) for option in options]
        return Change(unit, options=entities, desiredState="launched")

    def _wish(self, changes: Sequence[Change]) -> None:
        """Ask until the cluster says that it knows; raises `LabError` if it never does."""
        wanted = {
            change.name: self._texts[change.name] if change.desiredState == "launched" else None for change in changes
        }
        asked = boot_time()
        while not self._heard(changes):
            if boot_time() - asked > _PATIENCE:
                raise LabError(f"nobody takes wishes any more; the last was for {', '.join(wanted)}")
            time.sleep(_AGAIN)
        acked = boot_time()
        self.wishes += [Wish(unit, text, asked, acked) for unit, text in wanted.items()]
        for change in changes:
            if change.desiredState is None:
                del self.known[change.name]
            else:
                self.known[change.name] = change.desiredState

    def _heard(self, changes: Sequence[Change]) -> bool:
        try:
            with FleetClient(self._lab.endpoint(self._entry), timeout=_REQUEST) as cluster:
                results = cluster.changes(changes).results
        except FleetError:
            awake = [host.name for host in self._lab.hosts() if host.status is HostStatus.RUNNING]
            self._entry = self._dice.choice(awake)
            return False
        for result in results:
            if result.status == "refused":
                raise LabError(f"{result.name} was refused: {result.message}")
        return True
