"""`fleet-lab demo`: what fleet does, shown on three real hosts, for somebody who has never seen it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fleetpy.client.client import FleetClient
from fleetpy.errors import FleetError
from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy_lab.errors import LabError
from fleetpy_lab.host import HostStatus
from fleetpy_lab.kit import project_root
from fleetpy_lab.narrator import Narrator

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetpy.schemas.fleetpy_v1 import UnitStatus
    from fleetpy_lab.lab import Lab

_INTRODUCTION = """\
fleet makes many machines feel like one machine with one systemd: you hand it unit files, it picks a machine for each
and starts it there through that machine's own systemd, and when a machine dies, its units start elsewhere.
Here it is at work on three hosts, each with a systemd, an etcd and a fleet of its own."""

_EXAMPLES = "units/examples"
_UNITS = (
    "web-discovery@1.service",
    "web-discovery@.service",
    "web@1.service",
    "web@2.service",
    "web@.service",
    "monitor.service",
    "hello.service",
)
_HOSTS = 3
_MACHINE_FIELDS = ("--fields", "machine,ip,hostname")
_RECOVERY = 60.0
"""Seconds within which units of a dead host must run elsewhere; a machine is given up after 10."""
_PATIENCE = 30.0
_LAST_LINES = 15
"""Of each host's journal, when something went wrong."""


def run_demo(lab: Lab, *, keep: bool) -> None:
    """Show everything; the lab is removed at the end, unless it was up before or is to be kept. Raises `LabError`."""
    was_up = bool(lab.hosts())
    narrator = Narrator(project_root())
    try:
        _Demo(lab, narrator).run()
    except BaseException as error:
        if isinstance(error, FleetError):
            _show_journals(lab, narrator)
        if not was_up and not keep:
            lab.down()
        raise
    if keep or was_up:
        narrator.text(_kept(lab))
    else:
        lab.down()
        narrator.text("\nThe lab is removed again. KEEP=1 make demo leaves it up to play with.")


def _show_journals(lab: Lab, narrator: Narrator) -> None:
    for host in lab.hosts():
        if host.status is HostStatus.RUNNING:
            narrator.text(f"\nWhat fleet said last on {host.name}:")
            command = ("journalctl", "--no-pager", "--quiet", f"--lines={_LAST_LINES}", "--unit=fleet-*")
            narrator.text(lab.exec(host.name, *command).stdout.rstrip())


def _kept(lab: Lab) -> str:
    name = f"--name {lab.name} "
    return f"""
The lab is left up. Some things to try:
  export FLEETCTL_ENDPOINT={lab.endpoint()}
  fleetctl list-units
  fleet-lab {name}shell host1
  fleet-lab {name}down                # removes it"""


class _Demo:
    """The steps, one after another, on a lab."""

    def __init__(self, lab: Lab, narrator: Narrator) -> None:
        self._lab = lab
        self._show = narrator

    def run(self) -> None:
        self._show.text(_INTRODUCTION)
        with self._show.step("Three hosts come up and find each other.", "fleet-lab", "up", "--hosts", str(_HOSTS)):
            self._lab.up(_HOSTS)
        self._clear()
        self._show.command("export", f"FLEETCTL_ENDPOINT={self._lab.endpoint()}")
        self._fleetctl("The cluster, as fleet sees it.", "list-machines", *_MACHINE_FIELDS)
        self._start_units()
        self._look()
        victim = self._host_of("web@1.service")
        self._lose(victim)
        self._bring_back(victim)
        self._fleetctl("That was it: every unit is stopped and forgotten.", "destroy", *_UNITS)
        self._show.text(f"\nAll of it took {self._show.elapsed():.0f} s.")

    def _start_units(self) -> None:
        self._fleetctl(
            "A service. Nobody says where: fleet takes the machine that has the fewest units.",
            "start",
            f"{_EXAMPLES}/hello.service",
        )
        self._fleetctl(
            "A global unit runs on every machine, those that join later included.",
            "start",
            f"{_EXAMPLES}/monitor.service",
        )
        self._fleetctl(
            "Two templates are handed in: a web server, and a unit that announces it. Nothing runs yet.",
            "submit",
            f"{_EXAMPLES}/web@.service",
            f"{_EXAMPLES}/web-discovery@.service",
        )
        self._fleetctl(
            "Two web servers from the template. Its Conflicts=web@*.service keeps them on different machines.",
            "start",
            "web@1.service",
            "web@2.service",
        )
        self._fleetctl(
            "A follower: MachineOf=web@1.service puts it on the machine of that web server.",
            "start",
            "web-discovery@1.service",
        )
        first, second = self._host_of("web@1.service"), self._host_of("web@2.service")
        if first == second or self._host_of("web-discovery@1.service") != first:
            raise LabError("units are not where they should be: fleet broke its own rules")

    def _look(self) -> None:
        self._wait_for_all(_PATIENCE)
        self._fleetctl("What runs where: the states are those of each machine's systemd.", "list-units")
        self._fleetctl("What the cluster was asked for, and what became of it.", "list-unit-files")

    def _lose(self, victim: str) -> None:
        gone = self._lab.host(victim).machine_id
        with self._show.step(
            f"The power of {victim} fails, which has web@1.service and its follower. They start on the machine that is "
            "left for them, once fleet may take the host for dead: after 10 s of silence.",
            "fleet-lab",
            "kill",
            victim,
        ):
            self._lab.kill(victim)
            since = time.monotonic()
            for unit in ("web@1.service", "web-discovery@1.service"):
                self._wait_elsewhere(unit, gone, since)
        self._fleetctl("Everything runs, on two machines.", "list-units")
        self._fleetctl("The dead one is not a machine of the cluster any more.", "list-machines", *_MACHINE_FIELDS)

    def _bring_back(self, victim: str) -> None:
        with self._show.step(
            f"{victim} comes back. It gets its copy of the global unit; what runs well elsewhere stays there.",
            "fleet-lab",
            "revive",
            victim,
        ):
            self._lab.revive(victim)
            self._wait_for_all(_RECOVERY)
        self._fleetctl("Three machines again.", "list-units")

    def _wait_elsewhere(self, unit: str, gone: str, since: float) -> None:
        def elsewhere() -> bool:
            return any(state.machineID != gone and state.active == "active" for state in self._status(unit).states)

        self._wait(f"{unit} runs elsewhere", _RECOVERY, elsewhere)
        later = time.monotonic() - since
        self._show.text(f"   {unit} runs on {self._host_of(unit)}, {later:.1f} s after the power failed")

    def _fleetctl(self, sentence: str, *arguments: str) -> None:
        with self._show.step(sentence, "fleetctl", *arguments):
            self._show.run("fleetctl", *arguments, environment={"FLEETCTL_ENDPOINT": self._lab.endpoint()})

    def _wait(self, what: str, timeout: float, condition: Callable[[], bool]) -> None:
        def asked() -> bool:
            try:
                return condition()
            except FleetError as error:  # the API may be starting, or have lost its etcd for a moment
                raise LabError(str(error)) from error

        self._lab.wait_until(asked, timeout, what)

    def _units(self) -> dict[str, UnitStatus]:
        with FleetClient(self._lab.endpoint()) as cluster:
            return {unit.name: unit for unit in cluster.units().units}

    def _status(self, name: str) -> UnitStatus:
        units = self._units()
        if name not in units:
            raise LabError(f"{name} is not in the cluster any more")
        return units[name]

    def _host_of(self, unit: str) -> str:
        machine = self._status(unit).machineID
        names = [host.name for host in self._lab.hosts() if host.machine_id == machine]
        if not names:
            raise LabError(f"{unit} is on no host of the lab; `fleetctl explain {unit}` says why")
        return names[0]

    def _wait_for_all(self, timeout: float) -> None:
        """Wait until every unit that is to run does, the global one on every host."""

        def all_run() -> bool:
            late = [words for unit in self._units().values() for words in self._short_of(unit)]
            if late:
                raise LabError("; ".join(late))
            return True

        self._wait("every unit runs", timeout, all_run)

    def _short_of(self, unit: UnitStatus) -> list[str]:
        if unit.desiredState != "launched":
            return []
        active = [state for state in unit.states if state.active == "active"]
        wanted = _HOSTS if unit.isGlobal else 1
        if len(active) == wanted:
            return []
        seen = ", ".join(f"{state.active or 'nothing'} {state.problem}".strip() for state in unit.states) or "nowhere"
        return [f"{unit.name} runs on {len(active)} of {wanted} ({seen}) {unit.pending}".strip()]

    def _clear(self) -> None:
        """Destroy what an earlier demo has left in a lab that was kept."""
        left = [Change(name, "destroy") for name in _UNITS if name in self._units()]
        if left:
            with FleetClient(self._lab.endpoint()) as cluster:
                cluster.changes(left)
                names = {change.name for change in left}
                self._wait(
                    "the units of an earlier demo are gone",
                    _PATIENCE,
                    lambda: not any(state.name in names for state in cluster.states()),
                )
