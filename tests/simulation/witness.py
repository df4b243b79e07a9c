"""What must hold at every step: after each change in the registry, and each change of a unit on a host.

The promises are those of the design's reliability page; each `Violation` names the one that was broken.

* A unit with `OnPartition=stop` never runs twice. Only a whole host that was frozen may still have a copy, for a second
  after it has thawed.
* No unit is started on a machine while another runs it, unless one of the two was lost meanwhile; and when all those
  that run it are back, all but one are told to stop within `NOTICE` seconds.
* Nothing is stopped, restarted or started again unless its placement has asked for it: neither by losing the registry,
  nor by an agent that crashes and comes back.
* Only the scheduler whose key stands there writes placements.
* No unit is given to a machine whose key is absent in that revision, nor to two machines; and none to one that has a
  unit with which it conflicts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.ids import Revision
from fleetpy.model.states import UnitGoal
from fleetpy.unit.file import UnitFile
from fleetpy.unit.glob import matches
from fleetpy.unit.requirements import OnPartition, Requirements
from fleetpy_agent.dropin import GUARD_SERVICE
from fleetpy_agent.lease_guard import GLANCE, GRACE
from fleetpy_agent.reconcile import is_newer
from tests.simulation.books import Books, Pair, requirements_of
from tests.simulation.host import KEYS
from tests.simulation.systemd import RUNNING, STARTING, STOPPING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetpy.ids import MachineID, UnitName
    from fleetpy.model.records import PlacementRecord
    from fleetpy.registry.memory import MemoryStore
    from fleetpy.registry.protocol import Write
    from fleetpy_agent.applied import AppliedRecord
    from tests.simulation.host import Host
    from tests.simulation.process import Process
    from tests.simulation.timeline import VirtualLoop
    from tests.simulation.trace import Trace

NOTICE = 2.0
"""Seconds until a machine that is back has noticed what it is to stop."""

THAWED = 1.0
"""Seconds until a host that was frozen has told the units to stop that its lease no longer covers."""

_STARTED = {STARTING, RUNNING}


class Violation(AssertionError):  # noqa: N818 - that is what it is
    """A promise was broken; `about` is what the trace is to be searched for."""

    def __init__(self, promise: str, about: str) -> None:
        super().__init__(promise)
        self.about = about


@dataclass(slots=True)
class _Copy:
    """A unit that was started on a host, since the host was booted."""

    text: str
    started: float
    applied: AppliedRecord
    """The placement that the agent started it for, which may be over by then."""
    excused: bool
    """Whether something else was asked for at some time since then, or before it was started."""
    adrift: int | None = None
    """Which agent of the host's ran when the registry was set back to before it was placed there; None if none was."""


LATELY = 30.0
"""Seconds for which an agent may be behind with what is asked of it, being busy or cut off or served late."""
_NOBODY = -1


class Witness:
    """Sees everything; the first violation is kept, and ends the run."""

    def __init__(self, hosts: Mapping[MachineID, Host], store: MemoryStore, loop: VirtualLoop, trace: Trace) -> None:
        self.violation: Violation | None = None
        self.books = Books()
        self._hosts = hosts
        self._store = store
        self._loop = loop
        self._trace = trace
        self._copies: dict[Pair, _Copy] = {}
        self._boots: dict[MachineID, int] = {}
        self._doubles: dict[UnitName, int] = {}
        self._seen_double = 0
        self._unsettled: set[UnitName] = set()
        """Units that the registry forgot something about when it was set back, until they are where it says."""
        self._unaware: set[str] = set()
        """Agents that may not have noticed yet that it was: they go on with what was asked for before."""
        self._wrote: dict[str, int] = {}
        """Which incarnation of each program was the last to write something; it had read the registry before that."""
        self._asked: dict[Pair, list[tuple[float, PlacementRecord | None]]] = defaultdict(list)
        """What was asked for lately, and until when."""
        self._subscription = store.subscribe(KEYS.prefix, store.revision, self._registry_changed)

    def failed(self, who: str, error: BaseException) -> None:
        """See `Onlooker.failed`."""
        self.violate(f"{who} has ended: {error!r}")

    # The registry.

    def committed(self, process: Process, revision: Revision, writes: Sequence[Write]) -> None:
        """See `Onlooker.committed`."""
        self._wrote[process.name] = process.incarnation
        if any(write.key.startswith(KEYS.machines) for write in writes):
            self._unaware.discard(process.name)
        if process.name.startswith("sched") and any(write.key.startswith(KEYS.placements) for write in writes):
            mine = f"{process.name}/"
            if not self.books.leader.startswith(mine):
                self.violate(f"{process.name} wrote placements at {revision}; {self.books.leader or 'nobody'} leads")

    def _registry_changed(self) -> None:
        batch = self._store.take(self._subscription)
        if batch is None:
            return
        before = self.books.apply(batch, self._loop.time())
        # Somebody is back who has not seen the registry since before it was set back.
        self._unsettled |= {name for (_, name), state in self.books.states.items() if state.adrift}
        for event in batch.events:
            key = event.key.removeprefix(KEYS.prefix)
            value = getattr(event, "value", None)
            self._trace.note("registry", "%s %s %s", batch.revision, _Short(key), _Value(value))
        for pair, was in before.items():
            self._check_placement(pair, was, self.books.placements.get(pair))
        for machine in {machine for machine, _ in before}:
            self._check_neighbours(machine)
        self.look()

    def set_back(self) -> None:
        """The registry has become an older one, which takes nothing away from anybody."""
        before, now = dict(self.books.placements), self._loop.time()
        self._unaware = {host.agent.name for host in self._hosts.values()}
        self._subscription = self._store.subscribe(
            KEYS.prefix, Revision(self._store.revision + 1), self._registry_changed
        )
        self.books.set_back(self._store.read(KEYS.prefix).entries, self._store.revision, now)
        placements = self.books.placements
        self._unsettled |= {pair[1] for pair in before.keys() | placements if before.get(pair) != placements.get(pair)}
        # A host that is cut off cannot tell what was taken away before the backup was made from what came after it.
        self._unsettled |= {name for host in self._hosts.values() for name in host.systemd.up()}
        for pair, copy in self._copies.items():
            agent = self._hosts[pair[0]].agent
            copy.adrift = agent.incarnation if self._wrote.get(agent.name) == agent.incarnation else _NOBODY
            if pair in placements and not self._still_asks(copy, placements[pair]):
                copy.excused = True
        self.look()

    def _check_placement(self, pair: Pair, was: PlacementRecord | None, now: PlacementRecord | None) -> None:
        machine, name = pair
        time = self._loop.time()
        self._asked[pair] = [
            *((until, what) for until, what in self._asked[pair] if time - until < LATELY),
            (time, was),
        ]
        copy = self._copies.get(pair)
        if copy is not None and not self._still_asks(copy, now):
            copy.excused = True
        if now is None or (was is not None and (was.uid, was.epoch) == (now.uid, now.epoch)):
            return
        if machine not in self.books.registered:
            self.violate(f"{name} was given to {machine[0]}, which is not registered", name)
        if name in self._unsettled or self.books.requirements(name, now.hash).is_global:
            return
        others = [
            other[0]
            for (other, placed), record in self.books.placements.items()
            if placed == name and other != machine and record.goal is not UnitGoal.INACTIVE
        ]
        if others:
            self.violate(f"{name} was given to {machine[0]}, and {', '.join(others)} has it", name)

    def _check_neighbours(self, machine: MachineID) -> None:
        here = {
            name: record.hash
            for (at, name), record in self.books.placements.items()
            if at == machine and record.goal is not UnitGoal.INACTIVE
        }
        wishes = {
            name: self.books.requirements(name, unit_hash)
            for name, unit_hash in here.items()
            if name not in self._unsettled
        }
        pair = _conflict(wishes)
        if pair is not None and machine in self.books.registered:
            self.violate(f"{pair[0]} and {pair[1]} conflict, and are both placed on {machine[0]}", pair[0])

    # Hosts.

    def unit_changed(self, host: Host, name: UnitName, before: str, active: str) -> None:
        """See `Onlooker.unit_changed`."""
        self._trace.note(host.letter, "%s: %s", name, active)
        if name == GUARD_SERVICE:
            if active == STOPPING:
                self._guard_ended(host)
            return
        if self._boots.get(host.id) != host.boots:
            self._boots[host.id] = host.boots
            for pair in [pair for pair in self._copies if pair[0] == host.id]:
                del self._copies[pair]
        if active == STARTING:
            self._started(host, name)
        elif active == STOPPING and before in _STARTED:
            self._stopped(host, name)
        self.look()

    def _started(self, host: Host, name: UnitName) -> None:
        pair, text = (host.id, name), host.systemd.running_text(name) or ""
        asked = self.books.placements.get(pair)
        earlier = self._copies.get(pair)
        # What was adrift and ended by itself was cleared away, and may come again.
        if earlier is not None and not earlier.excused and earlier.adrift is None:
            self.violate(f"{host.letter} started {name} again, and nobody has asked for that", name)
        applied = host.files.records()[name]
        copy = _Copy(text, self._loop.time(), applied, excused=False)
        copy.excused = not self._still_asks(copy, asked)
        if not host.agent.healthy:
            # It may have been started for what was asked for then, and is asked for again now, with something else in
            # between that its agent has yet to hear of.
            time = self._loop.time()
            fits = [self._still_asks(copy, what) for until, what in self._asked[pair] if time - until < LATELY]
            copy.excused |= True in fits and False in fits[fits.index(True) :]
        if host.agent.name in self._unaware:
            copy.excused = True
            self._unsettled.add(name)
        self._copies[pair] = copy
        if name not in self._unsettled and not requirements_of(name, text).is_global:
            self._check_alone(host, name)
        # What is being stopped is no obstacle: its text may not be known to anybody any more.
        staying = [
            other
            for other in host.systemd.up()
            if host.systemd.active(other) != STOPPING and other not in self._unsettled
        ]
        here = {other: requirements_of(other, host.systemd.running_text(other) or "") for other in staying}
        together = _conflict(here)
        if together is not None:
            self.violate(f"{together[0]} and {together[1]} conflict, and both run on {host.letter}", name)

    def _check_alone(self, host: Host, name: UnitName) -> None:
        """Of machines that were never lost, one runs the unit at a time, without a moment in which two do."""
        for other in self._running(name):
            since = self._copies[other.id, name].started
            if other is not host and all(
                machine.id in self.books.registered and self.books.registered[machine.id] <= since
                for machine in (host, other)
            ):
                self.violate(f"{host.letter} started {name}, which runs on {other.letter}; neither was lost", name)

    def _stopped(self, host: Host, name: UnitName) -> None:
        copy = self._copies[host.id, name]
        if copy.adrift not in {None, host.agent.incarnation}:
            copy.excused = True  # That agent has not seen what the registry was before, and obeys what it is.
        if name in host.systemd.guard_stopped or host.systemd.stopping:
            copy.excused = True
        elif not copy.excused:
            self.violate(f"{host.letter} stopped {name}, and nobody has asked for that", name)

    def _guard_ended(self, host: Host) -> None:
        """What had ended by itself, and no agent has noted, cannot be told from what the guard's end has stopped."""
        for name, record in host.files.records().items():
            copy = self._copies.get((host.id, name))
            if copy is not None and record.stops and not record.ended and not host.systemd.running_text(name):
                copy.excused = True

    def _still_asks(self, copy: _Copy, now: PlacementRecord | None) -> bool:
        """Whether the placement says that what runs is to run on."""
        if now is None or now.goal is not UnitGoal.LAUNCHED or now.hash != UnitFile.parse(copy.text).hash:
            return False
        if copy.adrift is not None and not is_newer(now.restarted, copy.applied.restarted):
            copy.applied = copy.applied.taken_over(now)
        return (now.uid, now.epoch, now.restarted) == (copy.applied.uid, copy.applied.epoch, copy.applied.restarted)

    # What concerns several hosts.

    def look(self) -> None:
        """Look at all units; call it when something about the hosts is different, too."""
        self._unsettled = {name for name in self._unsettled if not self._is_settled(name)}
        names = {name for host in self._hosts.values() if host.up for name in host.systemd.up()}
        for name in sorted(names - self._unsettled):
            self._look_at(name)
        for name in [name for name in self._doubles if name not in names or name in self._unsettled]:
            del self._doubles[name]

    def _is_settled(self, name: UnitName) -> bool:
        """Whether the unit is, and runs, where it is placed and nowhere else, beside nothing that conflicts with it."""
        placed = {pair[0] for pair in self.books.placements if pair[1] == name}
        running = self._running(name)
        return (
            len(placed) < 2
            and placed == {host.id for host in running}
            and not any(machine not in placed for machine, other in self.books.states if other == name)
            and not any(self._is_beside_a_rival(host, name) for host in running)
        )

    def _is_beside_a_rival(self, host: Host, name: UnitName) -> bool:
        mine = requirements_of(name, host.systemd.running_text(name) or "")
        others = {other: requirements_of(other, host.systemd.running_text(other) or "") for other in host.systemd.up()}
        return any(_conflict({name: mine, other: wish}) for other, wish in others.items() if other != name)

    def _running(self, name: UnitName) -> list[Host]:
        return [host for host in self._hosts.values() if host.up and host.systemd.running_text(name) is not None]

    def _look_at(self, name: UnitName) -> None:
        running = self._running(name)
        if len(running) > 1 and not requirements_of(name, running[0].systemd.running_text(name) or "").is_global:
            exclusive = [host for host in running if self._counts(host, name)]
            if len(exclusive) > 1:
                where = " and ".join(host.letter for host in exclusive)
                self.violate(f"{name}, which has OnPartition=stop, runs on {where}", name)
            told = [host for host in running if host.healthy and self._is_told(host, name)]
            if len(told) > 1:
                if name not in self._doubles:
                    self._seen_double += 1
                    self._doubles[name] = token = self._seen_double
                    self._loop.call_later(NOTICE, self._noticed, name, token)
                return
        self._doubles.pop(name, None)

    def _is_told(self, host: Host, name: UnitName) -> bool:
        """Whether the host's agent can know that it is to stop: what is adrift is first placed, then taken away."""
        record = host.files.records().get(name)
        return host.systemd.active(name) in _STARTED and not (record is not None and record.adrift)

    def _noticed(self, name: UnitName, token: int) -> None:
        self.look()
        if self._doubles.get(name) == token:
            where = " and ".join(host.letter for host in self._running(name))
            self.violate(f"{name} runs on {where}, which are all well, for {NOTICE} s", name)

    def _counts(self, host: Host, name: UnitName) -> bool:
        """Whether this copy is one that must never run beside another."""
        text = host.systemd.running_text(name) or ""
        if requirements_of(name, text).on_partition is not OnPartition.STOP or host.frozen:
            return False
        told = host.systemd.active(name) == STOPPING
        grace = THAWED + GRACE + GLANCE if told else THAWED
        return not (host.frozen_until > 0.0 and self._loop.time() - host.frozen_until < grace)

    def violate(self, promise: str, about: str = "") -> None:
        """A promise was broken."""
        if self.violation is None:
            self._trace.note("VIOLATION", "%s", promise)
            self.violation = Violation(promise, about)


def _conflict(wishes: Mapping[UnitName, Requirements]) -> tuple[UnitName, UnitName] | None:
    """Two units, by name, of which one says that it conflicts with the other."""
    for name in sorted(wishes):
        for pattern in wishes[name].conflicts:
            for other in sorted(wishes):
                if other != name and matches(pattern, other):
                    return name, other
    return None


@dataclass(frozen=True, slots=True)
class _Short:
    """A key as the trace shows it: a machine by its letter."""

    key: str

    def __str__(self) -> str:
        return "/".join(part[0] if len(part) == 32 and len(set(part)) == 1 else part for part in self.key.split("/"))


@dataclass(frozen=True, slots=True)
class _Value:
    """A value as the trace shows it: without what is said by chance or at length."""

    value: bytes | None

    def __str__(self) -> str:
        if self.value is None:
            return "is gone"
        return self.value.decode()
