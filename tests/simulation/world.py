"""One run: a cluster made from a seed, in which users are busy and things go wrong, and then no more."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.registry.memory import MemoryStore
from fleetpy.registry.protocol import Store
from tests.simulation.aftermath import what_is_wrong
from tests.simulation.faults import Faults
from tests.simulation.host import TTL, Host
from tests.simulation.load import METADATA, Load
from tests.simulation.network import Network
from tests.simulation.schedulers import MASS_LOSS_HOLD, SETTINGS, SchedulerNode
from tests.simulation.timeline import Clock, Timeline
from tests.simulation.trace import Trace
from tests.simulation.uptime import Uptime
from tests.simulation.users import User
from tests.simulation.witness import Violation, Witness

if TYPE_CHECKING:
    from fleetpy.ids import MachineID

QUIET = 5.0
"""Seconds in which a cluster comes up, before anything goes wrong."""
TROUBLE = 60.0
"""Seconds in which things go wrong."""
RECOVERY = TTL + 3.0 + SETTINGS.lease + SETTINGS.stop_bound + MASS_LOSS_HOLD
"""Seconds after which all is well again: the lease, what the scheduler needs, and all that it may wait for."""
CHAIN = 2
"""How many units may have to stop one after another, before the last thing that was asked for can be done."""
AFTERWARDS = 70.0
"""Seconds in which nothing changes any more: longer than the slow comparisons are apart."""
DRIFT = 0.02
"""By how much a machine's clock is fast or slow at the most: far more than any that works."""
LOOK = 0.5
"""Seconds between two looks at whether all is well."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    seed: int
    failure: str
    """The promise that was broken; empty if none was."""
    recovered: float
    """Seconds that recovery took."""
    trace: Trace
    about: str = ""


class World:
    """Everything there is, in the beginning."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)  # noqa: S311 - not a secret
        # What the product draws for spreading clients out.
        random.seed(seed)
        self.timeline = Timeline(self.dice)
        self.trace = Trace(lambda: self.timeline.now)
        self.store = MemoryStore(clock=lambda: self.timeline.now)
        self.store.store = Store(cluster=1, term=100)
        self.network = Network(self.store, self.timeline.loop("world"), self.dice)
        hosts: dict[MachineID, Host] = {}
        self.witness = Witness(hosts, self.store, self.network.loop, self.trace)
        self.timeline.failed = self.witness.failed
        self.hosts = [
            Host(
                letter,
                METADATA[number % len(METADATA)],
                self._clock(),
                self.timeline,
                self.network,
                self.trace,
                self.witness,
            )
            for number, letter in enumerate("abcdef"[: self.dice.choice([1, 2, 2, 3, 3, 4, 5, 6])])
        ]
        hosts.update((host.id, host) for host in self.hosts)
        self.schedulers = [
            SchedulerNode(number, self._clock(), self.timeline, self.network, self.trace, self.witness)
            for number in range(1, self.dice.randint(1, 3) + 1)
        ]
        self.users = [
            User(number, self._clock(), self.timeline, self.network, self.trace, self.witness)
            for number in range(1, self.dice.randint(1, 2) + 1)
        ]
        self.load = Load(self.dice, self.hosts)
        self.faults = Faults(
            self.dice,
            self.hosts,
            self.schedulers,
            self.users,
            self.network,
            self.trace,
            self.witness.look,
            self.witness.set_back,
        )

        self.uptime = Uptime(
            self.hosts, self.witness.books, self.store, CHAIN * self.load.slowest + self.load.slowest_start
        )

    def run(self) -> Result:
        """Let it happen."""
        recovered = 0.0
        try:
            for scheduler in self.schedulers:
                scheduler.start()
            for user in self.users:
                user.start()
            for host in self.hosts:
                host.boot()
            self.users[0].ask(self.load.first())
            self._pass(QUIET)
            self.network.loop.call_later(LOOK, self._look_at_uptime)
            changes = list(self.load.changes(TROUBLE))
            self.faults.plan(TROUBLE, [moment for moment, _ in changes])
            for moment, change in changes:
                self.network.loop.call_later(moment, self.dice.choice(self.users).ask, change)
            self._pass(TROUBLE)
            self.trace.note("FAULT", "all of them are over")
            self.faults.heal()
            recovered = self._recover()
            self.trace.note("world", "has recovered in %.1f s", recovered)
            self._pass(AFTERWARDS)
            self._check()
        except AssertionError as error:
            return Result(self.seed, str(error), recovered, self.trace, getattr(error, "about", ""))
        finally:
            self._end()
        return Result(self.seed, "", recovered, self.trace)

    def _clock(self) -> Clock:
        """A machine's clock: no two of them show the same."""
        return Clock(self.dice.uniform(0.0, 100_000.0), 1.0 + self.dice.choice([0.0, self.dice.uniform(-DRIFT, DRIFT)]))

    def _pass(self, seconds: float) -> None:
        """Let time pass; raises what goes wrong in it."""
        self.timeline.run_until(self.timeline.now + seconds, lambda: self.witness.violation is not None)
        if self.witness.violation is not None:
            raise self.witness.violation

    def _recover(self) -> float:
        began = self.timeline.now
        while self._wrong():
            self._pass(LOOK)
            if self.timeline.now - began > RECOVERY + CHAIN * self.load.slowest:
                self._check()
        return self.timeline.now - began

    def _wrong(self) -> list[str]:
        if not all(user.idle for user in self.users):
            return ["users are not done"]
        if self.timeline.now - self.faults.ended < TTL:
            return ["leases may still run out that could not be renewed"]
        return what_is_wrong(self.store, self.hosts, self.timeline.now)

    def _look_at_uptime(self) -> None:
        calm_since = max(self.faults.ended, *(host.switched for host in self.hosts))
        if not self.faults.under_way and (late := self.uptime.late(calm_since, self.timeline.now)):
            self.witness.violate(late, late.partition(" ")[0])
        self.network.loop.call_later(LOOK, self._look_at_uptime)

    def _check(self) -> None:
        if wrong := self._wrong():
            words = "; ".join(wrong)
            self.trace.note("VIOLATION", "%s", words)
            raise Violation(words, "")

    def _end(self) -> None:
        """Nobody is left."""
        for host in self.hosts:
            host.switch_off()
        for scheduler in self.schedulers:
            scheduler.process.kill()
        for user in self.users:
            user.process.kill()
        self.timeline.close()


def simulate(seed: int) -> Result:
    """One run."""
    return World(seed).run()
