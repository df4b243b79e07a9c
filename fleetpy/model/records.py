"""What stands in the registry: one struct for each kind of value, written as JSON.

Fields that a newer fleetpy added are ignored by an older one, never an error; a field that has its default is left out.
A value that cannot be read at all raises `ValueError` from `Record.decode`; readers report it and skip it.
docs/adr/0015-msgspec-in-the-registry.md says why these are no pydantic models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from msgspec import Struct, field, json, structs

from fleetpy.ids import Epoch, MachineID, SessionID, UnitHash, UnitUID
from fleetpy.model.states import UnitGoal


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value in the registry: frozen, JSON, open to fields it does not know."""

    def encode(self) -> bytes:
        """The value's JSON. Raises `ValueError` for text that is no Unicode."""
        return json.encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read a value; raises `ValueError`, which says what is wrong with it, when it is not one of ours."""
        try:
            return json.decode(value, type=cls)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def replace(self, **changes: Any) -> Self:
        """The value with other contents of these fields."""
        return structs.replace(self, **changes)


class UnitRecord(Record, frozen=True, kw_only=True):
    """`units/<name>`: what a user wants of a unit. Written by the API alone."""

    desired: UnitGoal
    hash: UnitHash
    restarted: str | None = None
    """The stamp of the last `restart` asked for; each new stamp restarts the unit once."""
    changed_at: datetime
    changed_by: str
    """Who asked for the last change, as far as the API can tell: a socket's peer or a certificate's subject."""


class UnitFileRecord(Record, frozen=True, kw_only=True):
    """`unit-files/<hash>`: a unit file's canonical text, stored once however many units use it."""

    text: str


class MachineRecord(Record, frozen=True, kw_only=True):
    """`machines/<id>`: a live host. Its agent's lease holds it; its agent alone writes it."""

    id: MachineID
    session: SessionID
    hostname: str
    public_ip: str
    metadata: dict[str, str] = field(default_factory=dict)
    """From the agent's configuration; `MachineSettingsRecord.metadata` goes on top."""
    version: str


class MachineSettingsRecord(Record, frozen=True, kw_only=True):
    """`machine-settings/<id>`: what the operator set for a host, kept while the host is away."""

    metadata: dict[str, str | None] = field(default_factory=dict)
    """Values that replace or add to the agent's own; None hides the agent's own."""
    cordoned: bool = False
    """Takes no new units; keeps what it has."""
    draining: bool = False
    """Takes no new units, and what it has moves away."""


class PlacementRecord(Record, frozen=True, kw_only=True):
    """`placements/<machine>/<name>`: this machine is to have this unit. Written by the leading scheduler alone."""

    uid: UnitUID
    hash: UnitHash
    goal: UnitGoal
    """`loaded` or `launched`; `inactive` while the machine has yet to let go of a unit that `stops`."""
    epoch: Epoch
    restarted: str | None = None
    """The unit's restart stamp; the agent restarts the unit once for each new one."""
    stops: bool = False
    """Should the machine be lost, it may still be stopping the unit for a while: its text has `OnPartition=stop`, or
    the one before it has, and the agent has not said that it is gone."""


class StateRecord(Record, frozen=True, kw_only=True):
    """`states/<machine>/<name>`: what an agent made of a placement. Hangs on the agent's lease.

    The key exists from before the agent first touches systemd for the unit until systemd has let go of it, so that
    "no state is left" means "nothing of it runs here".
    """

    uid: UnitUID
    epoch: Epoch
    hash: UnitHash
    goal: UnitGoal = UnitGoal.INACTIVE
    """The last of the placement's wishes that the agent has carried out; `inactive` before the first."""
    restarted: str | None = None
    """The last restart stamp that was carried out."""
    load: str = ""
    active: str = ""
    sub: str = ""
    """systemd's own LoadState, ActiveState and SubState, as they are."""
    result: str = ""
    """systemd's Result property where the unit's type has one (`success`, `exit-code`, …)."""
    since: datetime | None = None
    """When the active state last changed, by the host's wall clock."""
    refused: str | None = None
    """Why this host will not have the unit at all (a unit of its own has the name); it goes elsewhere."""
    problem: str | None = None
    """What went wrong with the last thing the agent tried for this unit."""
    adrift: bool | None = None
    """True if it runs on though the registry, which was set back, does not know of its placement."""


class BrakeRecord(Record, frozen=True, kw_only=True):
    """`scheduler/brake`: many machines vanished at once, and their units stay placed on them.

    The leading scheduler alone writes it, and removes it when the brake is off.
    """

    machines: list[MachineID]
    """The lost machines whose units it holds, by id."""
    lost: int
    """How many machines vanished, those among them that were released."""
    total: int
    """How many there were."""
    until: datetime
    """When it lets go by itself, by the leader's wall clock: for people; nothing is decided from it."""


class BrakeReleaseRecord(Record, frozen=True, kw_only=True):
    """`scheduler/released`: lost machines whose units may move although the brake is on.

    An operator adds machines by the API; the leading scheduler takes out those that are no longer lost.
    """

    machines: list[MachineID]
    released_at: datetime
    released_by: str


class LeaderRecord(Record, frozen=True, kw_only=True):
    """`scheduler/leader`: who leads. Its lease holds it; each write of the leader is guarded by this very value."""

    identity: str
    since: datetime
    writing: str = ""
    """Drawn anew each time the key is written, so that no other writing has the same value, in whatever store."""
