"""Blocking until units are where a command wants them, with a line for each as it gets there.

Nothing is polled here: a feed of events says what changed (`fleetpy.client.feed`; with an original fleetd, which has
no events, the feed does the polling). Who waits is told why, once for each change of the reason, and not at once:
most units are placed in less time than it takes to read that they are not placed yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fleetpy.client.errors import ApiUnreachableError
from fleetpy.client.feed import EventFeed, Interrupted
from fleetpy.errors import UnavailableError
from fleetpy_cli import goals
from fleetpy_cli.clock import Clock
from fleetpy_cli.goals import Goal, Outcome
from fleetpy_cli.legend import machine_id_legend, unit_legend
from fleetpy_cli.watch import Arrival, Watch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fleetpy.client.cluster_api import EventSource
    from fleetpy.schemas.fleetpy_v1 import UnitStatus
    from fleetpy.schemas.v1 import UnitStateEntity
    from fleetpy_cli.output import Output

GAVE_UP = 124
"""The exit code for time that was up, as timeout(1) has it."""

LOOK_AGAIN = 0.5
"""Seconds after which machines that stop destroyed units are looked at again, if no event came before."""

ASKED_ONE_BY_ONE = 10
"""The states of more units than this are looked for among all states."""


@dataclass(slots=True)
class Result:
    """How the waiting ended."""

    failed: list[str] = field(default_factory=list)
    """Units that failed in systemd or were taken over by somebody else."""
    outstanding: list[str] = field(default_factory=list)
    """Units that were not there yet when the time was up."""

    @property
    def exit_code(self) -> int:
        """1 if something failed, 124 if only the time was up, 0 if all is well."""
        if self.failed:
            return 1
        return GAVE_UP if self.outstanding else 0

    def add(self, other: Result) -> None:
        """Take over what another wait ended with."""
        self.failed += other.failed
        self.outstanding += other.outstanding


class Observed(Protocol):
    """What waiting needs of a client."""

    def events(self, names: Collection[str], after: int = 0) -> EventSource:
        """See `FleetClient.events`."""
        ...

    def states(self) -> list[UnitStateEntity]:
        """See `FleetClient.states`."""
        ...

    def states_of(self, name: str) -> list[UnitStateEntity]:
        """See `FleetClient.states_of`."""
        ...


class Waiter:
    """Waits with one client, and says what it sees.

    `attempts` is how many times `ATTEMPT_SECONDS` it waits at the most; 0 means for ever.
    """

    def __init__(self, client: Observed, output: Output, attempts: int) -> None:
        self._client = client
        self._output = output
        self._attempts = attempts
        self._interrupted = False
        self._told_stopping: set[str] = set()

    def wait(
        self,
        wanted: Mapping[str, Goal],
        after: int,
        *,
        doing: str,
        before: Mapping[str, UnitStatus | None] | None = None,
    ) -> Result:
        """Wait until all units are where their goals have them, in a picture at least as new as the revision `after`.

        `doing` says what is going on (`starting`); `before` has the units as they were, where that is known. Raises
        `UnavailableError` when the API stays away for too long.
        """
        result = Result()
        if not wanted:
            return result
        watch = Watch(wanted, before)
        clock = Clock(self._attempts)
        with (
            EventFeed(lambda: self._client.events(watch.waiting, after)) as feed,
            self._output.progress(doing, len(wanted)) as show,
        ):
            while watch.waiting and not clock.is_up:
                arrivals = self._take(feed, watch, clock.patience)
                arrivals += [watch.conclude(name) for name in clock.settled(watch.settling)]
                for arrival in arrivals:
                    self._tell(arrival, result)
                show(len(wanted) - len(watch.waiting))
                if clock.is_time_for_news:
                    self._tell_news(watch.news())
        self._give_up(watch.waiting, result)
        return result

    def wait_until_nothing_is_left(self, names: Sequence[str], after: int) -> Result:
        """Wait until the cluster does not know these units any more, and all machines have stopped them."""
        result = Result()
        if not names:
            return result
        watch = Watch(dict.fromkeys(names, goals.gone))
        stopping: set[str] = set()
        clock = Clock(self._attempts)
        with (
            EventFeed(lambda: self._client.events(names, after)) as feed,
            self._output.progress("destroying", len(names)) as show,
        ):
            while (watch.waiting or stopping) and not clock.is_up:
                patience = min(clock.patience, LOOK_AGAIN) if stopping else clock.patience
                stopping.update(arrival.name for arrival in self._take(feed, watch, patience))
                left = self._left_of(stopping)
                for name in [name for name in names if name in stopping and name not in left]:
                    stopping.remove(name)
                    self._output.line(f"Destroyed {name}")
                show(len(names) - len(watch.waiting) - len(stopping))
                if clock.is_time_for_news:
                    self._tell_news(watch.news())
                    self._tell_stopping(left)
        self._give_up([*watch.waiting, *sorted(stopping)], result)
        return result

    def _take(self, feed: EventFeed, watch: Watch, patience: float) -> list[Arrival]:
        """Learn what has come; the API's being away is told once, however often it is tried again."""
        arrivals: list[Arrival] = []
        try:
            items = feed.take(patience)
        except UnavailableError as error:
            raise ApiUnreachableError(
                f"{error}; what was asked of the cluster stands, and goes on unwatched"
            ) from error
        for item in items:
            if isinstance(item, Interrupted) and not self._interrupted:
                self._output.note(f"{item.error}; trying again")
            self._interrupted = isinstance(item, Interrupted)
            arrivals += watch.take(item)
        return arrivals

    def _left_of(self, names: Collection[str]) -> dict[str, str]:
        """Those of the units that a machine still has, and the machine."""
        if not names:
            return {}
        few = len(names) <= ASKED_ONE_BY_ONE
        states = [state for name in names for state in self._client.states_of(name)] if few else self._client.states()
        return {state.name: state.machineID for state in states if state.name in names}

    def _tell_news(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            self._output.note(sentence)

    def _tell_stopping(self, left: Mapping[str, str]) -> None:
        for name, machine in left.items():
            if name not in self._told_stopping:
                self._told_stopping.add(name)
                self._output.note(f"Unit {name} waits: it is still being stopped on {machine_id_legend(machine)}")

    def _give_up(self, names: list[str], result: Result) -> None:
        result.outstanding += names
        for name in names:
            self._output.error(f"gave up waiting for unit {name}; what was asked of it stands (--block-attempts)")

    def _tell(self, arrival: Arrival, result: Result) -> None:
        verdict = arrival.verdict
        if verdict.outcome is Outcome.LOST:
            self._output.error(f"unit {arrival.name} is not waited for any longer: {verdict.words}")
        else:
            self._output.line(_line(arrival))
            if verdict.words:
                self._output.warn(f"Unit {arrival.name}: {verdict.words}")
        if verdict.outcome is not Outcome.DONE:
            result.failed.append(arrival.name)


def _line(arrival: Arrival) -> str:
    unit = arrival.unit
    if unit is None:
        return f"Unit {arrival.name} is gone"
    return unit_legend(unit.name, unit.currentState, unit.machineID, arrival.address)
