"""Entities of `/fleetpy/v1`: what the original's API lacks; the field names follow its style.

| request | answer |
| --- | --- |
| `POST /fleetpy/v1/changes` `ChangeBatch` | `ChangeResults` (200, also if single changes were refused: see each) |
| `GET /fleetpy/v1/units[?name=…]` | `UnitStatusPage`: every unit, or those named, in one answer |
| `GET /fleetpy/v1/machines` | `MachineStatusList` |
| `PATCH /fleetpy/v1/machines/<id>` `MachineChange` | 204 |
| `GET /fleetpy/v1/units/<name>/explain` | `Explanation` |
| `GET /fleetpy/v1/brake` | `Brake`: whether the brake on mass failure is on |
| `POST /fleetpy/v1/brake/release` `BrakeRelease` | 204; 409 if it does not hold one of the machines |
| `GET /fleetpy/v1/events[?after=REVISION][&name=…]` | a stream of JSON lines, each an `Event` |
| `GET /fleetpy/v1/health` | `Health`; 503 while the registry is away |
| `GET /fleetpy/v1/openapi.json` | the OpenAPI document of both APIs |

`name` may be given many times. `after` asks for a picture that is at least as new as that revision (read your own
writes). Fields that have their default value are left out of answers. A batch has at most 5,000 changes and 16 MiB;
a larger one is refused whole with 413.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fleetpy.schemas.v1 import UnitOptionEntity


@dataclass(frozen=True, slots=True)
class Change:
    """A wish for one unit. Exactly as `PUT` and `DELETE` on `/fleet/v1/units/<name>`, and restarting beside it.

    `action` is `set` (options, desired state or both), `destroy` (an unknown unit is no error) or `restart`.
    """

    name: str
    action: str = "set"
    options: list[UnitOptionEntity] | None = None
    desiredState: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Wishes for many units, each carried out or refused by itself."""

    changes: list[Change]


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What became of one change: `status` is `created`, `changed`, `unchanged`, `destroyed` or `refused`."""

    name: str
    status: str
    code: int = 0
    """With `refused`: the HTTP status that the original's API would have given."""
    message: str = ""
    restarted: str = ""
    """With `restart`: the stamp to look for in `UnitStatus.restarted` of the states."""


@dataclass(frozen=True, slots=True)
class ChangeResults:
    """One result for each change, in order, and the revision from which on reads and events show them."""

    revision: int
    results: list[ChangeResult]


@dataclass(frozen=True, slots=True)
class MachineUnitState:
    """A unit's state on one machine: systemd's words, and what the agent carried out."""

    machineID: str
    hash: str
    goal: str
    load: str
    active: str
    sub: str
    result: str = ""
    restarted: str = ""
    since: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """All that the cluster knows of a unit, in one entity."""

    name: str
    uid: int
    hash: str
    desiredState: str
    currentState: str
    isGlobal: bool = False
    machineID: str = ""
    description: str = ""
    pending: str = ""
    """Why it is not placed where it is wanted, in words; empty when it is."""
    restarted: str = ""
    states: list[MachineUnitState] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class UnitStatusPage:
    """Units as of `revision`."""

    revision: int
    units: list[UnitStatus]


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """A live machine, with what the operator set for it."""

    id: str
    primaryIP: str = ""
    hostname: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    version: str = ""
    cordoned: bool = False
    draining: bool = False
    units: int = 0


@dataclass(frozen=True, slots=True)
class MachineStatusList:
    """Machines as of `revision`."""

    revision: int
    machines: list[MachineStatus]


@dataclass(frozen=True, slots=True)
class MachineChange:
    """What to set for a machine; a field that is None stays as it is."""

    cordoned: bool | None = None
    draining: bool | None = None


@dataclass(frozen=True, slots=True)
class MachineVerdict:
    """Whether a machine can take a unit, and in words why not (`reason` is empty when it can)."""

    machineID: str
    eligible: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a unit is, where it would go, and why not elsewhere."""

    name: str
    summary: str
    machineID: str = ""
    machines: list[MachineVerdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HeldMachine:
    """A lost machine that the brake holds, and how many units are placed on it."""

    machineID: str
    units: int = 0


@dataclass(frozen=True, slots=True)
class Brake:
    """The brake on mass failure as of `revision`: on while it holds `machines`."""

    revision: int
    machines: list[HeldMachine] = field(default_factory=list)
    lost: int = 0
    """How many machines vanished at once."""
    total: int = 0
    """How many there were."""
    until: str = ""
    """When it lets go by itself, in ISO 8601, by the leading scheduler's wall clock."""


@dataclass(frozen=True, slots=True)
class BrakeRelease:
    """Machines, by their full ids, whose units are to start elsewhere although the brake is on."""

    machines: list[str]


@dataclass(frozen=True, slots=True)
class Event:
    """Something changed, or nothing did for a while.

    `type` is `unit` (`unit` says how it is now), `unit-gone` (`name`), `machine` (`machine`), `machine-gone` (`name`
    is its id), `synced` or `heartbeat`. A stream begins with the present state of everything that it can speak of, then
    a `synced` event, then changes. Several changes of one unit may arrive as one event: the newest. A stream that
    names units speaks of these and of the machines; the server ends streams whose reader has stopped reading.
    """

    type: str
    revision: int
    name: str = ""
    unit: UnitStatus | None = None
    machine: MachineStatus | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the API can answer: `status` is `ok` or a sentence; `revision` is how far its view has come."""

    status: str
    version: str
    revision: int = 0
    leader: str = ""
