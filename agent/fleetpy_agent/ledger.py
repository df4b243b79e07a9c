"""How far each unit was applied, in memory and on disk: what is changed here is on disk before anything goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.ids import UnitName
    from fleetpy.model.records import PlacementRecord
    from fleetpy_agent.applied import AppliedRecord
    from fleetpy_agent.files import HostFiles


class Ledger:
    """The records of one host; begins with what an earlier agent left. Methods raise `OSError` where the disk does."""

    def __init__(self, files: HostFiles) -> None:
        self._files = files
        self._records = files.records()
        self._bound = {name: record for name, record in self._records.items() if record.stops}

    @property
    def records(self) -> Mapping[UnitName, AppliedRecord]:
        """Every unit that may have left something in systemd."""
        return self._records

    @property
    def bound(self) -> Mapping[UnitName, AppliedRecord]:
        """Those of units that are bound to the guard of the lease: asked for at the end of each job, so kept apart."""
        return self._bound

    def put(self, name: UnitName, record: AppliedRecord) -> None:
        """Keep a record."""
        if self._records.get(name) != record:
            self._files.save(name, record)
            self._records[name] = record
            if record.stops:
                self._bound[name] = record
            else:
                self._bound.pop(name, None)

    def drop(self, name: UnitName) -> None:
        """Nothing of the unit is left."""
        self._files.forget(name)
        self._records.pop(name, None)
        self._bound.pop(name, None)

    def begin_again(self, name: UnitName) -> None:
        """The unit is unloaded, and comes again at once: until then something of it may be here all the same."""
        self.put(name, self._records[name].replace(goal=UnitGoal.INACTIVE))

    def note_goal(self, name: UnitName, goal: UnitGoal, wanted: PlacementRecord | None) -> None:
        """The unit was told to be in this state, which covers every restart asked for until now."""
        record = self._records.get(name)
        if record is None:
            return
        changes: dict[str, object] = {"goal": goal, "ended": False}
        if goal is UnitGoal.LAUNCHED and wanted is not None and record.is_of(wanted):
            changes["restarted"] = wanted.restarted
        self.put(name, record.replace(**changes))
