"""One run of chaos: a lab, a load, faults one after another, and what came of it."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from fleetpy.client.client import FleetClient
from fleetpy.errors import FleetError
from fleetpy_lab.chaos.clock import boot_time
from fleetpy_lab.chaos.faults import Fault, FaultKind, episodes
from fleetpy_lab.chaos.history import History, Strike
from fleetpy_lab.chaos.leftovers import leftovers
from fleetpy_lab.chaos.load import units as whole_load
from fleetpy_lab.chaos.looking import look
from fleetpy_lab.chaos.observer import Observer
from fleetpy_lab.chaos.registry_log import absences, brakes, registrations, takeovers
from fleetpy_lab.chaos.stamps import read_lateness, read_runs
from fleetpy_lab.chaos.strike import Striker
from fleetpy_lab.chaos.writer import Writer
from fleetpy_lab.errors import LabError
from fleetpy_lab.lab import Lab
from fleetpy_lab.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fleetpy_lab.chaos.history import Late
    from fleetpy_lab.chaos.observer import Change

HOSTS, MEMBERS = 5, 3
_PROGRAM = Path(__file__).with_name("stamp.sh")
_SETTLING = 90.0
"""Seconds until what should run is no longer waited for: three times what is promised."""
_CALM = 2.0
"""Seconds between everything being well again and the next fault."""
_LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    history: History
    left: Sequence[str]
    """What was left at the end and should not have been, or was missing, in words."""
    changes: Sequence[Change]
    """Of the registry."""


class Experiment:
    """Chaos in that lab, which is not up yet. `tell` is told what happens."""

    def __init__(self, lab: Lab, seed: int, tell: Callable[[str], None]) -> None:
        self._lab = lab
        self._tell = tell
        self._seed = seed
        self._units = whole_load()
        self._strikes: list[Strike] = []

    def run(self, seconds: float, kinds: Sequence[FaultKind] = tuple(FaultKind)) -> Outcome:
        """Let faults of these kinds happen for so long, and end the last one. Raises `LabError`."""
        self._lab.up(HOSTS, etcd_members=MEMBERS)
        hosts = self._lab.hosts()
        for host in hosts:
            (self._folder(host.name) / _PROGRAM.name).write_bytes(_PROGRAM.read_bytes())
        members = [host for host in hosts if host.etcd]
        with Observer(members) as observer, self._heartbeat(), closing(Lab(self._lab.name)) as writers:
            striker = Striker(self._lab, observer)
            striker.prepare()
            writer = Writer(writers, Random(f"writer {self._seed}"), self._units)  # noqa: S311 - to be replayed
            began = boot_time()
            writer.start_all()
            self._settle(writer)
            with ThreadPoolExecutor(1) as pool:
                writing = pool.submit(writer.run)
                try:
                    self._strike(striker, writer, seconds, kinds)
                finally:
                    writer.stop()
                writing.result()
            left = self._left_over(observer, writer)
            ended = boot_time()
            writer.destroy_all()
            left += self._left_over(observer, writer)
        return self._outcome(began, ended, writer, observer.changes(), left)

    def _strike(self, striker: Striker, writer: Writer, seconds: float, kinds: Sequence[FaultKind]) -> None:
        names = [host.name for host in self._lab.hosts()]
        members = [host.name for host in self._lab.hosts() if host.etcd]
        end = boot_time() + seconds
        dice = Random(f"faults {self._seed}")  # noqa: S311 - to be replayed
        for episode in episodes(dice, names, members, kinds):
            if boot_time() >= end:
                return
            self._play(striker, episode)
            self._settle(writer)

    def _play(self, striker: Striker, episode: Sequence[Fault]) -> None:
        began = boot_time()
        moments = [(fault.after, 0, number) for number, fault in enumerate(episode)]
        moments += [(fault.after + fault.lasts, 1, number) for number, fault in enumerate(episode)]
        open_strikes: dict[int, Strike] = {}
        for moment, is_end, number in sorted(moments):
            time.sleep(max(0.0, began + moment - boot_time()))
            if not is_end:
                self._tell(f"{episode[number].kind} {episode[number].host} for {episode[number].lasts:g} s")
                open_strikes[number] = striker.begin(episode[number])
            else:
                self._strikes.append(striker.end(open_strikes[number]))

    def _settle(self, writer: Writer) -> None:
        """Wait until everything that should run does; not for ever: the checker will say what did not."""
        try:
            wait_until(lambda: self._all_run(writer.launched()), _SETTLING, "everything runs")
        except LabError as error:
            self._tell(f"{error}")
        time.sleep(_CALM)

    def _all_run(self, wanted: Sequence[str]) -> bool:
        try:
            with FleetClient(self._lab.endpoint()) as cluster:
                machines = cluster.machines().machines
                units = {unit.name: unit for unit in cluster.units().units}
        except FleetError as error:
            raise LabError(str(error)) from error
        time.sleep(_LOOK)
        return len(machines) == HOSTS and all(
            name in units
            and sum(state.active == "active" for state in units[name].states) == (HOSTS if units[name].isGlobal else 1)
            for name in wanted
        )

    def _left_over(self, observer: Observer, writer: Writer) -> list[str]:
        """What is left or missing after as long as it may take to be put right."""
        found: list[str] = []
        placed = [unit for unit, state in writer.known.items() if state != "inactive"]
        hosts = [host.name for host in self._lab.hosts()]

        def all_right() -> bool:
            holdings = look(self._lab, observer, self._units)
            found[:] = leftovers(holdings, self._units, placed, writer.known, hosts)
            return not found

        try:
            wait_until(all_right, _SETTLING, "nothing is left behind")
        except LabError as error:
            self._tell(f"{error}")
        return found

    @contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """A program like those of the units, outside of the hosts: how late the machine itself is."""
        environment = {**os.environ, "STAMPS": str(self._lab.directory / "stamps"), "INVOCATION_ID": "machine"}
        beat = subprocess.Popen(["/bin/bash", str(_PROGRAM), "run", "machine", "0"], env=environment)
        try:
            yield
        finally:
            beat.terminate()
            beat.wait()

    def _folder(self, host: str) -> Path:
        return self._lab.directory / host

    def _outcome(
        self, began: float, ended: float, writer: Writer, changes: Sequence[Change], left: Sequence[str]
    ) -> Outcome:
        hosts = [host.name for host in self._lab.hosts()]
        stamps = {host: (self._folder(host) / "stamps").read_text().splitlines() for host in hosts}
        lateness: dict[str, Sequence[Late]] = {}
        for host, lines in stamps.items():
            frozen = [
                strike.span
                for strike in self._strikes
                if strike.host == host and strike.fault.kind is FaultKind.HOST_PAUSED
            ]
            lateness.update(read_lateness(lines, frozen))
        lateness.update(read_lateness((self._lab.directory / "stamps").read_text().splitlines(), []))
        away = absences(changes, [host.machine_id for host in self._lab.hosts()], ended)
        history = History(
            units=self._units,
            hosts=hosts,
            members=[host.name for host in self._lab.hosts() if host.etcd],
            began=began,
            ended=ended,
            runs=[run for host, lines in stamps.items() for run in read_runs(host, lines)],
            strikes=sorted(self._strikes, key=lambda strike: strike.began),
            wishes=writer.wishes,
            takeovers=takeovers(changes),
            registrations={host.name: registrations(changes, host.machine_id) for host in self._lab.hosts()},
            brakes=brakes(away, HOSTS),
            lateness=lateness,
        )
        return Outcome(history, left, changes)
