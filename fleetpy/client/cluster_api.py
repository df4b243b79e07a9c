"""What fleetctl asks of a cluster, whichever API it speaks: fleetpy's own, or the original's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from fleetpy.schemas.fleetpy_v1 import Change, ChangeResults, Event, MachineStatusList, UnitStatusPage


class EventSource(Protocol):
    """Events, as `Event` describes them; another thread than the one that reads may stop it, once and for all."""

    def __iter__(self) -> Iterator[Event]: ...

    def stop(self) -> None:
        """End the iteration."""
        ...


class ClusterApi(Protocol):
    """Every method raises `ApiRefusedError`, `ApiFailedError`, `ApiUnreachableError` or `UnreadableAnswerError`."""

    can_restart: bool
    """Whether there is a `restart` among the changes."""

    def units(self, names: Collection[str] | None = None) -> UnitStatusPage:
        """The units of these names (unknown ones are left out), or all of them; sorted by name."""
        ...

    def machines(self) -> MachineStatusList:
        """The live machines; sorted by id."""
        ...

    def change(self, changes: Sequence[Change]) -> ChangeResults:
        """Carry out wishes for units, each by itself; one result for each."""
        ...

    def events(self, names: Collection[str], after: int) -> EventSource:
        """What becomes of these units, and of all machines, in a picture at least as new as the revision `after`."""
        ...
