"""What goes wrong, and when it is over. Each kind of fault begins, and ends some time later; all can overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.ids import Revision
from fleetpy.registry.memory import MemoryStore
from fleetpy.registry.protocol import Store
from tests.simulation.network import FAIR, Weather
from tests.support.backup import backup, restore

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tests.simulation.host import Host
    from tests.simulation.network import Network
    from tests.simulation.process import Process
    from tests.simulation.schedulers import SchedulerNode
    from tests.simulation.trace import Trace
    from tests.simulation.users import User

_WEATHERS = (
    Weather(lost=0.3),
    Weather(unanswered=0.3),
    Weather(lost=0.1, unanswered=0.2, slow=0.3, delay=3.0),
    Weather(slow=1.0, delay=0.3),
    Weather(late=0.5, lateness=4.0),
    Weather(late=0.3, lateness=2.0),
    Weather(late=1.0, lateness=0.5),
    Weather(late=0.1, lateness=10.0, unanswered=0.1),
    Weather(slow=0.5, delay=5.0),
    Weather(broken=0.2, repeated=0.3),
    Weather(lost=0.1, unanswered=0.1, slow=0.2, delay=2.0, broken=0.1, repeated=0.1),
)


_OFTEN = ("everybody's network", "everybody's network", "host's network", "lease lost", "host cut off")
"""What is drawn more often than others: there are many kinds of it."""

_THEMES = (
    ("everybody's network", "host's network", "agent busy"),
    ("scheduler's network", "scheduler paused", "scheduler busy", "lease lost"),
    ("host cut off", "agent paused", "registry away", "scheduler crash"),
    ("host frozen", "host off", "host shut down", "everybody's network"),
    ("registry set back", "agent crash", "host off", "scheduler crash", "streams break"),
    ("registry set back", "everybody's network", "host cut off", "host frozen"),
    ("units hang", "host cut off", "agent crash", "host shut down"),
)
"""Kinds that make the most of each other."""


class Faults:
    """The faults of one run, drawn from `dice`.

    `changed` is called after each beginning and end, `set_back` when the registry has become an older one.
    """

    def __init__(
        self,
        dice: random.Random,
        hosts: Sequence[Host],
        schedulers: Sequence[SchedulerNode],
        users: Sequence[User],
        network: Network,
        trace: Trace,
        changed: Callable[[], None],
        set_back: Callable[[], None],
    ) -> None:
        self.under_way = 0
        """How many faults have begun and are not over."""
        self.ended = 0.0
        """When the last one of them was over."""
        self._set_back = set_back
        self._dice = dice
        self._hosts = hosts
        self._schedulers = schedulers
        self._users = users
        self._network = network
        self._trace = trace
        self._changed = changed
        self._kinds: dict[str, tuple[Callable[[], Callable[[], None]], tuple[float, float]]] = {
            "agent crash": (self._agent_crash, (0.0, 12.0)),
            "agent paused": (self._agent_paused, (0.2, 25.0)),
            "agent busy": (self._agent_busy, (0.02, 15.0)),
            "host off": (self._host_off, (0.5, 40.0)),
            "host shut down": (self._host_shut_down, (7.0, 30.0)),
            "host frozen": (self._host_frozen, (0.5, 40.0)),
            "host cut off": (self._cut(self._agent_processes), (0.5, 40.0)),
            "host's network": (self._weather(self._agent_processes), (1.0, 30.0)),
            "lease lost": (self._lease_lost, (0.0, 1.0)),
            "bus away": (self._bus_away, (0.1, 10.0)),
            "unit failed": (self._unit_failed, (0.0, 1.0)),
            "scheduler crash": (self._scheduler_crash, (0.0, 10.0)),
            "scheduler ended": (self._scheduler_ended, (0.0, 10.0)),
            "scheduler paused": (self._scheduler_paused, (0.5, 20.0)),
            "scheduler busy": (self._scheduler_busy, (0.5, 20.0)),
            "scheduler cut off": (self._cut(self._scheduler_processes), (0.5, 20.0)),
            "scheduler's network": (self._weather(self._scheduler_processes), (1.0, 30.0)),
            "user's network": (self._weather(self._user_processes), (1.0, 30.0)),
            "registry away": (self._registry_away, (0.2, 25.0)),
            "everybody's network": (self._bad_day, (1.0, 20.0)),
            "compaction": (self._compaction, (0.0, 1.0)),
            "streams break": (self._streams_break, (0.0, 1.0)),
            "registry set back": (self._registry_set_back, (0.0, 50.0)),
            "units hang": (self._units_hang, (1.0, 60.0)),
        }

    def plan(self, seconds: float, moments: Sequence[float]) -> None:
        """Have faults begin within this time from now on; all of them are over by its end.

        Many of them begin when they do most harm: when something is asked for (`moments`), or as long after
        another fault as a lease lasts.
        """
        dice, loop = self._dice, self._network.loop
        # Some runs see much of a few kinds, some a little of everything.
        kinds = [*dice.choice(_THEMES)]
        if dice.random() < 0.5:
            kinds = dice.sample([*self._kinds, *_OFTEN], dice.choice([1, 2, 3, 4, dice.randint(5, len(self._kinds))]))
        before: list[float] = []
        for _ in range(dice.randint(0, 20)):
            kind = dice.choice(kinds)
            begin, (shortest, longest) = self._kinds[kind]
            starts = self._moment(seconds, moments, before)
            before.append(starts)
            lasts = shortest + (longest - shortest) * dice.random() ** 3
            loop.call_later(starts, self._begin, kind, begin, min(lasts, seconds - starts))

    def _moment(self, seconds: float, moments: Sequence[float], before: Sequence[float]) -> float:
        dice = self._dice
        match dice.choice(["any", "any", "change", "change", "change", "fault", "lease"]):
            case "change" if moments:
                moment = dice.choice(moments) + dice.uniform(-0.3, 0.1)
            case "fault" if before:
                moment = dice.choice(before) + dice.uniform(-1.0, 1.0)
            case "lease" if before:
                moment = dice.choice(before) + dice.uniform(4.0, 10.0)
            case _:
                moment = dice.uniform(0.0, seconds)
        return min(max(0.0, moment), seconds)

    def _begin(self, kind: str, begin: Callable[[], Callable[[], None]], lasts: float) -> None:
        self._trace.note("FAULT", "%s, for %.2f s", kind, lasts)
        self.under_way += 1
        end = begin()
        self._changed()
        self._network.loop.call_later(lasts, self._end, kind, end)

    def _end(self, kind: str, end: Callable[[], None]) -> None:
        self._trace.note("FAULT", "%s: over", kind)
        end()
        self.under_way -= 1
        self.ended = self._network.loop.time()
        self._changed()

    def heal(self) -> None:
        """Everything is as it should be again."""
        self._network.away = False
        for process in (*self._agent_processes(), *self._scheduler_processes(), *self._user_processes()):
            process.resume()
            process.set_weather(FAIR, FAIR)
            process.cut(off=False)
            process.network_changed()
        for host in self._hosts:
            host.thaw()
            host.systemd.reconnect()
            host.systemd.end_hanging()
            if host.systemd.stopping:
                host.switch_off()
            if host.up:
                host.start_agent()
            else:
                host.boot()
        for scheduler in self._schedulers:
            scheduler.start()
        self._changed()

    def _agent_processes(self) -> list[Process]:
        return [host.agent for host in self._hosts]

    def _scheduler_processes(self) -> list[Process]:
        return [scheduler.process for scheduler in self._schedulers]

    def _user_processes(self) -> list[Process]:
        return [user.process for user in self._users]

    def _host(self) -> Host:
        return self._dice.choice(self._hosts)

    def _agent_crash(self) -> Callable[[], None]:
        host = self._host()
        host.crash_agent()
        return host.start_agent

    def _agent_paused(self) -> Callable[[], None]:
        host = self._host()
        host.agent.pause()
        return lambda: None if host.frozen else host.agent.resume()

    def _agent_busy(self) -> Callable[[], None]:
        host = self._host()
        if not host.frozen:
            host.agent.pause(keeper=False)
        return lambda: None if host.frozen else host.agent.resume()

    def _host_off(self) -> Callable[[], None]:
        host = self._host()
        host.switch_off()
        return lambda: None if host.up else host.boot()

    def _host_shut_down(self) -> Callable[[], None]:
        host = self._host()
        host.shut_down()
        return lambda: None if host.up else host.boot()

    def _host_frozen(self) -> Callable[[], None]:
        host = self._host()
        host.freeze()
        return host.thaw

    def _cut(self, processes: Callable[[], list[Process]]) -> Callable[[], Callable[[], None]]:
        def begin() -> Callable[[], None]:
            process = self._dice.choice(processes())
            process.cut(off=True)
            return lambda: process.cut(off=False)

        return begin

    def _weather(self, processes: Callable[[], list[Process]]) -> Callable[[], Callable[[], None]]:
        def begin() -> Callable[[], None]:
            process, weather = self._dice.choice(processes()), self._dice.choice(_WEATHERS)
            self._trace.note(process.name, "%s", weather)
            process.set_weather(weather, self._dice.choice([weather, FAIR]))
            return lambda: process.set_weather(FAIR, FAIR)

        return begin

    def _lease_lost(self) -> Callable[[], None]:
        leases = sorted(self._network.store.leases)
        if leases:
            lease = self._dice.choice(leases)
            self._trace.note("registry", "revokes lease %s", lease)
            self._network.store.revoke(lease)
        return lambda: None

    def _bus_away(self) -> Callable[[], None]:
        systemd = self._host().systemd
        systemd.disconnect()
        return systemd.reconnect

    def _unit_failed(self) -> Callable[[], None]:
        systemd = self._host().systemd
        running = [name for name in systemd.up() if systemd.at_rest(name)]
        if running:
            systemd.fail(self._dice.choice(running))
        return lambda: None

    def _scheduler_crash(self) -> Callable[[], None]:
        scheduler = self._dice.choice(self._schedulers)
        scheduler.process.kill()
        return scheduler.start

    def _scheduler_ended(self) -> Callable[[], None]:
        scheduler = self._dice.choice(self._schedulers)
        scheduler.process.terminate()
        return scheduler.start

    def _scheduler_paused(self) -> Callable[[], None]:
        process = self._dice.choice(self._schedulers).process
        process.pause()
        return process.resume

    def _scheduler_busy(self) -> Callable[[], None]:
        process = self._dice.choice(self._schedulers).process
        process.pause(keeper=False)
        return process.resume

    def _registry_away(self) -> Callable[[], None]:
        self._set_away(away=True)
        return lambda: self._set_away(away=False)

    def _set_away(self, *, away: bool) -> None:
        self._network.away = away
        for process in (*self._agent_processes(), *self._scheduler_processes(), *self._user_processes()):
            process.network_changed()

    def _registry_set_back(self) -> Callable[[], None]:
        """From a backup that is made now, or from nothing, as when all of it is lost.

        A backup from before another one was restored is not: that could take the registry forwards (docs/adr/0012).
        """
        store, dice, made = self._network.store, self._dice, self._network.restored
        saved = backup(store, store.now) if dice.random() < 0.8 else MemoryStore(store.now)

        def end() -> None:
            if made != self._network.restored:
                return
            self._trace.note("registry", "is set back from revision %s to %s", store.revision, saved.revision)
            self._network.restored += 1
            name = store.store
            again = Store(name.cluster + 1) if dice.random() < 0.5 else Store(name.cluster, name.term - 1)
            restore(store, saved, again)
            self._streams_break()
            self._set_back()
            self._begin("registry away", self._registry_away, dice.uniform(0.0, 5.0))

        return end

    def _units_hang(self) -> Callable[[], None]:
        """Half of a host's units, or all of them."""
        host = self._host()
        names = sorted(host.systemd.linked())
        host.systemd.hang(self._dice.sample(names, self._dice.choice([len(names), (len(names) + 1) // 2])))

        def end() -> None:
            host.systemd.end_hanging()  # That of the end: the host may have been switched off and on meanwhile.

        return end

    def _bad_day(self) -> Callable[[], None]:
        weather = self._dice.choice(_WEATHERS)
        self._trace.note("network", "%s", weather)
        processes = [*self._agent_processes(), *self._scheduler_processes(), *self._user_processes()]
        for process in processes:
            process.set_weather(weather, weather)

        def end() -> None:
            for process in processes:
                process.set_weather(FAIR, FAIR)

        return end

    def _compaction(self) -> Callable[[], None]:
        store = self._network.store
        store.compact(Revision(max(1, store.revision - self._dice.randint(0, 5))))
        return lambda: None

    def _streams_break(self) -> Callable[[], None]:
        for process in (*self._agent_processes(), *self._scheduler_processes(), *self._user_processes()):
            process.break_streams()
        return lambda: None
