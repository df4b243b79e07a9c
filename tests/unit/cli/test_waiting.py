"""Waiting through trouble with the API."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from fleetpy.client.errors import ApiRefusedError, ApiUnreachableError, UnreadableAnswerError
from fleetpy.schemas.fleetpy_v1 import Event, MachineUnitState, UnitStatus
from fleetpy_cli import goals
from fleetpy_cli.output import Output
from fleetpy_cli.waiting import Result, Waiter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fleetpy.client.cluster_api import EventSource
    from fleetpy.schemas.v1 import UnitStateEntity

M1 = "1" * 32
RUNNING = MachineUnitState(M1, "h1", "launched", "loaded", "active", "running")
THERE = Event("unit", 2, unit=UnitStatus("a.service", 1, "h1", "launched", "launched", machineID=M1, states=[RUNNING]))
NOT_YET = Event("unit", 1, unit=UnitStatus("a.service", 1, "h1", "launched", "inactive"))
SYNCED = Event("synced", 2)


class Source:
    """Gives events, then lasts until it is stopped, unless it broke off."""

    def __init__(self, *events: Event | Exception) -> None:
        self._events = events
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event
        self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()


class Api:
    """Gives one source after another."""

    def __init__(self, *sources: Source) -> None:
        self._sources = iter(sources)

    def events(self, names: Collection[str], after: int = 0) -> EventSource:
        assert (names, after) == (["a.service"], 7)
        return next(self._sources)

    def states(self) -> list[UnitStateEntity]:
        return []

    def states_of(self, name: str) -> list[UnitStateEntity]:
        assert name == "a.service"
        return []


def wait(api: Api) -> Result:
    return Waiter(api, Output(terminal=False), 0).wait({"a.service": goals.launched}, 7, doing="starting")


def test_waiting_goes_on_when_the_api_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    away = ApiUnreachableError("nobody listens at unix:///run/fleet.sock")
    api = Api(Source(NOT_YET, SYNCED, away), Source(away), Source(UnreadableAnswerError("?")), Source(THERE, SYNCED))
    assert wait(api).exit_code == 0
    captured = capsys.readouterr()
    assert captured.out == "Unit a.service launched on 11111111...\n"
    assert captured.err == "nobody listens at unix:///run/fleet.sock; trying again\n"


def test_waiting_ends_when_the_api_refuses_to_tell() -> None:
    with pytest.raises(ApiRefusedError, match="no such thing"):
        wait(Api(Source(ApiRefusedError(400, "no such thing"))))


def test_nothing_to_wait_for_asks_nothing() -> None:
    waiter = Waiter(Api(), Output(terminal=False), 0)
    assert waiter.wait({}, 7, doing="starting").exit_code == 0
    assert waiter.wait_until_nothing_is_left([], 7).exit_code == 0


def test_failing_counts_more_than_being_late() -> None:
    assert Result().exit_code == 0
    assert Result(outstanding=["a.service"]).exit_code == 124
    assert Result(failed=["a.service"], outstanding=["b.service"]).exit_code == 1
