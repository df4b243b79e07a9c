"""Where each kind of value stands in the registry: the layout of the keys, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from fleetpy.ids import MachineID, UnitHash, UnitName

DEFAULT_PREFIX = "/fleetpy/v1/"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys below a prefix, which ends in a slash."""

    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        if not self.prefix.endswith("/"):
            raise ValueError(f"a key prefix ends in a slash: {self.prefix!r}")

    @property
    def units(self) -> str:
        """The prefix of all units."""
        return f"{self.prefix}units/"

    @property
    def unit_files(self) -> str:
        """The prefix of all unit files."""
        return f"{self.prefix}unit-files/"

    @property
    def machines(self) -> str:
        """The prefix of all live machines."""
        return f"{self.prefix}machines/"

    @property
    def machine_settings(self) -> str:
        """The prefix of what operators set for machines."""
        return f"{self.prefix}machine-settings/"

    @property
    def placements(self) -> str:
        """The prefix of all placements."""
        return f"{self.prefix}placements/"

    @property
    def states(self) -> str:
        """The prefix of all states."""
        return f"{self.prefix}states/"

    @property
    def leader(self) -> str:
        """The leading scheduler's key."""
        return f"{self.prefix}scheduler/leader"

    @property
    def brake(self) -> str:
        """Where the leading scheduler says that the brake on mass failure is on."""
        return f"{self.prefix}scheduler/brake"

    @property
    def brake_release(self) -> str:
        """Where an operator says which lost machines the brake no longer holds."""
        return f"{self.prefix}scheduler/released"

    def fence(self, token: str) -> str:
        """The key that keeps a transaction which was given up from being written after all."""
        return f"{self.prefix}fences/{token}"

    def unit(self, name: UnitName) -> str:
        """A unit's key."""
        return f"{self.units}{name}"

    def unit_file(self, unit_hash: UnitHash) -> str:
        """A unit file's key."""
        return f"{self.unit_files}{unit_hash}"

    def machine(self, machine: MachineID) -> str:
        """A live machine's key."""
        return f"{self.machines}{machine}"

    def settings(self, machine: MachineID) -> str:
        """A machine's settings' key."""
        return f"{self.machine_settings}{machine}"

    def placements_of(self, machine: MachineID) -> str:
        """The prefix of one machine's placements."""
        return f"{self.placements}{machine}/"

    def placement(self, machine: MachineID, name: UnitName) -> str:
        """A placement's key."""
        return f"{self.placements}{machine}/{name}"

    def states_of(self, machine: MachineID) -> str:
        """The prefix of one machine's states."""
        return f"{self.states}{machine}/"

    def state(self, machine: MachineID, name: UnitName) -> str:
        """A state's key."""
        return f"{self.states}{machine}/{name}"


def split_machine_and_unit(rest: str) -> tuple[MachineID, UnitName] | None:
    """Read `<machine>/<name>`, what follows the prefix of placements and of states; None if it is not that."""
    machine, slash, name = rest.partition("/")
    if not (machine and slash and name) or "/" in name:
        return None
    return MachineID(machine), UnitName(name)
