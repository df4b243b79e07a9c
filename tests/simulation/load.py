"""What users ask for while things go wrong: units of every kind, whose texts and goals change, which come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.model.states import UnitGoal
from fleetpy.schemas.fleetpy_v1 import MachineChange
from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name
from fleetpy_agent.systemd.simulated import Behaviour
from fleetpy_api.wishes import Wish
from tests.simulation.users import Change

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from fleetpy.ids import MachineID
    from tests.simulation.host import Host

METADATA: tuple[dict[str, str], ...] = ({"region": "eu"}, {"region": "us"}, {"region": "eu", "disk": "ssd"}, {})
"""What the hosts say of themselves, one after another."""

_KINDS: dict[str, tuple[str, ...]] = {
    "plain@1.service": ("",),
    "plain@2.service": ("", "OnPartition=stop"),
    "stop@1.service": ("OnPartition=stop",),
    "stop@2.service": ("OnPartition=stop", "OnPartition=keep"),
    "apart@1.service": ("Conflicts=apart@*.service",),
    "apart@2.service": ("Conflicts=apart@*.service\nOnPartition=stop",),
    "apart@3.service": ("Conflicts=apart@*.service", "Conflicts=plain@1.service"),
    "follower.service": ("MachineOf=plain@1.service", "MachineOf=stop@1.service"),
    "follower-stop.service": ("MachineOf=plain@2.service\nOnPartition=stop",),
    "taker.service": ("Replaces=plain@2.service",),
    "picky.service": ("MachineMetadata=region=eu", "MachineMetadata=region=us\nOnPartition=stop"),
    "everywhere.service": ("Global=true",),
    "ssd.service": ("Global=true\nMachineMetadata=disk=ssd", "Global=true"),
    "pinned.service": ("MachineID=%s", "MachineID=%s\nOnPartition=stop"),
    "roaming.service": ("MachineID=%s", "MachineMetadata=region=eu", "MachineMetadata=region=us", "OnPartition=stop"),
}
"""The units there may be, and what each of their texts asks for."""

_CHANGES = ("goal", "text", "again", "loop", "destroy", "restart", "machine")
"""What users do."""

_BEHAVIOURS = (
    *[Behaviour()] * 6,
    Behaviour(start=0.2, stop=0.2),
    Behaviour(start=3.0),
    Behaviour(stop=2.0),
    Behaviour(start=1.0, stop=7.0),
    Behaviour(stop=9.0),
    Behaviour(stop=20.0),
    Behaviour(start=None),
    Behaviour(stop=130.0),
    Behaviour(becomes="failed"),
    Behaviour(becomes="inactive", start=1.0),
)
"""How units behave: most of them at once."""


class Load:
    """The wishes of one run, drawn from `dice`."""

    def __init__(self, dice: random.Random, hosts: Sequence[Host]) -> None:
        self._dice = dice
        self._machines = [host.id for host in hosts]
        self._names = sorted(dice.sample(sorted(_KINDS), dice.choice([2, 4, 6, 9])))
        self.slowest = 0.0
        """How long the slowest of the units takes to stop."""
        self.slowest_start = 0.0
        self._kinds = dice.sample(_CHANGES, dice.choice([1, 2, len(_CHANGES)]))
        for name in self._names:
            behaviour = dice.choice(_BEHAVIOURS)
            self.slowest = max(self.slowest, behaviour.stop or 0.0)
            self.slowest_start = max(self.slowest_start, behaviour.start or 0.0)
            for host in hosts:
                host.behaviours[parse_unit_name(name).full] = behaviour

    def first(self) -> Change:
        """Everything is submitted."""
        return Change(tuple(self._submit(name, UnitGoal.LAUNCHED) for name in self._names))

    def changes(self, seconds: float) -> Iterator[tuple[float, Change]]:
        """What is asked for in this time, and when (seconds from its beginning)."""
        for _ in range(self._dice.choice([5, 15, 30, 50])):
            moment = self._dice.uniform(0.0, seconds)
            for change in self._change():
                yield moment, change

    def _change(self) -> Iterator[Change]:
        dice, name = self._dice, self._dice.choice(self._names)
        match dice.choice(self._kinds):
            case "goal":
                yield Change((Wish(parse_unit_name(name), "set", None, dice.choice(list(UnitGoal))),))
            case "text":
                yield Change((self._submit(name, UnitGoal.LAUNCHED),))
            case "again":
                yield Change((self._destroy(name), self._submit(name, UnitGoal.LAUNCHED)))
            case "loop":
                for _ in range(dice.randint(2, 8)):
                    yield Change((self._destroy(name),))
                    yield Change((self._submit(name, UnitGoal.LAUNCHED),))
            case "destroy":
                yield Change((self._destroy(name),))
            case "restart":
                yield Change((Wish(parse_unit_name(name), "restart"),))
            case _:
                yield self._machine(dice.choice(self._machines))

    def _submit(self, name: str, goal: UnitGoal) -> Wish:
        asks = self._dice.choice(_KINDS[name])
        if "%s" in asks:
            asks %= self._dice.choice(self._machines)
        text = f"[Service]\nExecStart=/bin/app {self._dice.randint(1, 3)}\n"
        if asks:
            text += f"[X-Fleet]\n{asks}\n"
        return Wish(parse_unit_name(name), "set", UnitFile.parse(text), goal)

    def _destroy(self, name: str) -> Wish:
        return Wish(parse_unit_name(name), "destroy")

    def _machine(self, machine: MachineID) -> Change:
        dice = self._dice
        if dice.random() < 0.5:
            return Change(
                machine=machine, metadata=((dice.choice(["region", "disk"]), dice.choice(["eu", "ssd", None])),)
            )
        change = MachineChange(cordoned=dice.random() < 0.3, draining=dice.random() < 0.3)
        return Change(machine=machine, settings=change)
