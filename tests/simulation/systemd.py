"""One host's systemd in memory, with `fleet-lease.service` and what is bound to it (docs/adr/0009).

The guard is that of `fleetpy_agent.lease_guard`: it looks at the deadline every `TICK` seconds and at the deadline
itself, and ends when that has passed. Then systemd stops every unit bound to it, and `GRACE` seconds later kills what
is still up. A bound unit is not started without it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fleetpy_agent.dropin import GUARD_SERVICE
from fleetpy_agent.lease_guard import GLANCE, GRACE, TICK
from fleetpy_agent.systemd.memory import MemorySystemd
from fleetpy_agent.systemd.protocol import JobID, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from fleetpy.ids import UnitName
    from fleetpy_agent.memory_files import MemoryFiles
    from fleetpy_agent.systemd.simulated import Behaviour, SimulatedUnit
    from tests.simulation.timeline import VirtualLoop

STARTING, RUNNING, STOPPING = "activating", "active", "deactivating"


class HostSystemd(MemorySystemd):
    """`changed` is told of each change of a unit's active state: the unit, what it was, what it is."""

    def __init__(self, files: MemoryFiles, loop: VirtualLoop, changed: Callable[[UnitName, str, str], None]) -> None:
        super().__init__(files.read)
        self._files = files
        self._loop = loop
        self._told = changed
        self._bound: set[UnitName] = set()
        self.add_host_unit(GUARD_SERVICE)
        self._guard = self._units[GUARD_SERVICE]
        self._guard.active = "inactive"
        self.guard_stopped: set[UnitName] = set()
        """Units that the guard's end has stopped, and that have not been started again."""
        self._hanging: set[UnitName] = set()

    def active(self, name: UnitName) -> str:
        """The unit's active state."""
        unit = self._units.get(name)
        return unit.active if unit is not None else "inactive"

    def up(self) -> list[UnitName]:
        """Every unit that may run, in order; not the guard."""
        return sorted(name for name, unit in self._units.items() if unit.status.up and name != GUARD_SERVICE)

    @property
    def healthy(self) -> bool:
        """Whether it is on the bus, and there to stay."""
        return not self._away and not self.stopping

    def at_rest(self, name: UnitName) -> bool:
        """Whether the unit runs, and nothing is under way for it."""
        unit = self._units.get(name)
        return unit is not None and unit.active == RUNNING and unit.verb is None

    def linked(self) -> frozenset[UnitName]:
        """Every unit file that systemd was told of and not told to forget."""
        return frozenset(self._linked)

    def halt(self, name: UnitName) -> None:
        """Stop the unit, since the host shuts down."""
        self._queue_stop(name)

    def hang(self, names: Collection[UnitName]) -> None:
        """Whatever these units are told from now on, they never get done with it."""
        self._hanging.update(names)

    def end_hanging(self) -> None:
        """They do after all."""
        self._hanging.clear()
        for name, unit in sorted(self._units.items()):
            if unit.verb is not None and unit.timer is None:
                done = self._started if unit.active == STARTING else self._stopped
                self._in(0.0, partial(done, name), unit)

    def _behaviour(self, name: UnitName) -> Behaviour:
        usual = super()._behaviour(name)
        return replace(usual, start=None, stop=None) if name in self._hanging else usual

    def _load(self, name: UnitName) -> None:
        super()._load(name)
        if GUARD_SERVICE in self._files.dropins.get(name, ""):
            self._bound.add(name)
        else:
            self._bound.discard(name)

    def _start(self, name: UnitName) -> None:
        if name in self._bound and not self._guard_is_up():
            self._in(0.0, lambda: self._end_job(name, "dependency"), self._units[name])
            return
        self.guard_stopped.discard(name)
        super()._start(name)

    def _become(self, name: UnitName, active: str) -> None:
        unit = self._units[name]
        before = unit.active
        super()._become(name, active)
        if unit.active != before:
            self._told(name, before, active)

    def _in(  # type: ignore[override]
        self, seconds: float | None, then: Callable[[], None], unit: SimulatedUnit
    ) -> None:
        if unit.timer is not None:
            unit.timer.cancel()
        unit.timer = None if seconds is None else self._loop.call_later(seconds, then)

    # The guard of the lease.

    def _guard_is_up(self) -> bool:
        """Start it if need be, as `BindsTo=` does; whether it runs."""
        if self._guard.active == RUNNING:
            return True
        if self._guard.active == STOPPING:
            return False
        if self._files.deadline <= self._loop.time():
            self._guard.result = "exit-code"
            self._become(GUARD_SERVICE, "failed")
            return False
        self._guard.result = "success"
        self._become(GUARD_SERVICE, RUNNING)
        self._look_at_deadline()
        return True

    def _look_at_deadline(self) -> None:
        if self._guard.active != RUNNING:
            return
        left = self._files.deadline - self._loop.time()
        if left <= 0.0:
            self._guard.result = "exit-code"
            self._become(GUARD_SERVICE, STOPPING)
            self._stop_bound(self._loop.time() + GRACE)
        elif any(self._needs_guard(name) for name in self._bound):
            self._loop.call_later(min(TICK, left), self._look_at_deadline)
        else:
            self._become(GUARD_SERVICE, "inactive")  # StopWhenUnneeded=

    def _needs_guard(self, name: UnitName) -> bool:
        unit = self._units[name]
        return unit.status.up or unit.verb in {Verb.START, Verb.RESTART}

    def _stop_bound(self, until: float) -> None:
        """Stop what is bound to the guard, kill it from `until` on; the guard has failed when all of it is down."""
        up = [name for name in sorted(self._bound) if self._units[name].status.up]
        for name in up:
            unit = self._units[name]
            self.guard_stopped.add(name)
            if self._loop.time() >= until:
                unit.result = "signal"
                self._become(name, "failed")
                self._end_job(name, "done" if unit.verb is Verb.STOP else "canceled")
            else:
                self._queue_stop(name)
        if up:
            self._loop.call_later(GLANCE, self._stop_bound, until)
        else:
            self._become(GUARD_SERVICE, "failed")

    def _queue_stop(self, name: UnitName) -> None:
        unit = self._units[name]
        if unit.verb is Verb.STOP:
            return
        self._end_job(name, "canceled")
        self._jobs += 1
        unit.job, unit.verb = JobID(self._jobs), Verb.STOP
        self._begin(name)
