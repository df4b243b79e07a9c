"""Entities of `/fleet/v1`, the original's API (its `schema/v1.json`); the field names are the wire's."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UnitOptionEntity:
    """One option of a unit file: `name=value` in `[section]`; the original's clients leave an empty value out."""

    section: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class UnitEntity:
    """A unit: what is wanted of it, and where it is. `machineID` is empty while it is nowhere, or global.

    A `PUT` may leave the name out: the URL has it.
    """

    name: str = ""
    options: list[UnitOptionEntity] = field(default_factory=list)
    desiredState: str = ""
    currentState: str = ""
    machineID: str = ""


@dataclass(frozen=True, slots=True)
class UnitPage:
    """Some of the units; `nextPageToken` is empty on the last page."""

    units: list[UnitEntity] = field(default_factory=list)
    nextPageToken: str = ""


@dataclass(frozen=True, slots=True)
class UnitStateEntity:
    """What systemd says of a unit on one machine."""

    name: str
    hash: str = ""
    machineID: str = ""
    systemdLoadState: str = ""
    systemdActiveState: str = ""
    systemdSubState: str = ""


@dataclass(frozen=True, slots=True)
class UnitStatePage:
    """Some of the states; `nextPageToken` is empty on the last page."""

    states: list[UnitStateEntity] = field(default_factory=list)
    nextPageToken: str = ""


@dataclass(frozen=True, slots=True)
class MachineEntity:
    """A live machine."""

    id: str
    primaryIP: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MachinePage:
    """Some of the machines; `nextPageToken` is empty on the last page."""

    machines: list[MachineEntity] = field(default_factory=list)
    nextPageToken: str = ""


@dataclass(frozen=True, slots=True)
class ErrorEntity:
    """What went wrong: the HTTP status and a sentence."""

    code: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The body of every answer that is an error."""

    error: ErrorEntity
