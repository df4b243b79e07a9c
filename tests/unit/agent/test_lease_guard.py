"""The program that lives as long as the lease: by a clock of its own, with systemd played by hand."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import LeaseID
from fleetpy.planner.settings import PlanSettings
from fleetpy.registry.lease import LeaseStatus
from fleetpy_agent.files import DiskFiles
from fleetpy_agent.lease_guard import GRACE, LATEST, SIGN_OF_LIFE, TICK, kill, watch
from fleetpy_agent.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNIT = Path(__file__).parents[3] / "units/system/fleet-lease.service"


class Host:
    """A clock that only sleeping moves, what was told to systemd, and the agent's file."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.told: list[tuple[float, str]] = []
        self.events: list[tuple[float, Callable[[], object]]] = []
        self.file = folder / "lease"

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        for event in [event for event in self.events if event[0] <= self.now]:
            self.events.remove(event)
            event[1]()

    def at(self, moment: float, happens: Callable[[], object]) -> None:
        self.events.append((moment, happens))

    def watch(self) -> str:
        return watch(str(self.file), self.clock, self.sleep, lambda words: self.told.append((self.now, words)))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_it_is_ready_at_once_and_over_when_the_deadline_has_passed(host: Host) -> None:
    host.file.write_text("1008.0\n")
    assert "lost the cluster" in host.watch()
    assert host.told[0] == (1000.0, "READY=1")
    assert 1008.0 <= host.now < 1008.0 + 1e-6


def test_it_goes_on_for_as_long_as_the_deadline_is_put_off(host: Host) -> None:
    host.file.write_text("1008.0\n")
    for moment in range(1002, 1100, 3):
        host.at(moment, partial(host.file.write_text, f"{moment + 8}"))
    host.watch()
    assert host.now == pytest.approx(1098 + 8)


@pytest.mark.parametrize("content", ["999.9", "-inf", "inf", "nan", "", "soon"])
def test_without_a_deadline_ahead_it_is_never_ready(host: Host, content: str) -> None:
    host.file.write_text(content)
    assert host.watch() == "this host is not part of the cluster now"
    assert host.told == []
    assert host.now == 1000.0


def test_without_a_file_it_is_never_ready(host: Host) -> None:
    host.watch()
    assert host.told == []


def test_a_deadline_that_is_taken_back_ends_it_within_a_tick(host: Host) -> None:
    host.file.write_text("1008.0")
    host.at(1003.05, lambda: host.file.write_text("-inf"))
    host.watch()
    assert 1003.05 <= host.now <= 1003.05 + 2 * TICK


def test_a_file_that_is_gone_or_unreadable_puts_nothing_off(host: Host) -> None:
    host.file.write_text("1008.0")
    host.at(1002.0, lambda: host.file.write_text("garbage"))
    host.at(1004.0, host.file.unlink)
    host.watch()
    assert host.now == pytest.approx(1008.0)


def test_a_host_that_slept_past_the_deadline_is_through_within_a_tick(host: Host) -> None:
    host.file.write_text("1008.0")

    def sleep_long() -> None:
        host.now += 3600

    host.at(1002.0, sleep_long)
    host.watch()
    assert host.now <= 1002.0 + 3600 + 2 * TICK


def test_a_guard_that_stands_still_is_killed_soon_after_the_deadline_that_it_knew_of_and_not_before(host: Host) -> None:
    host.file.write_text("1008.0")
    host.at(1003.0, lambda: host.file.write_text("1011.0"))
    host.watch()
    signs = [(moment, words) for moment, words in host.told if words.startswith("WATCHDOG=1\nWATCHDOG_USEC=")]
    killed = [moment + int(words.rpartition("=")[2]) / 1_000_000 for moment, words in signs]
    assert {round(moment, 6) for moment in killed} == {1008.0 + LATEST, 1011.0 + LATEST}
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(signs)]
    assert max(gaps) <= SIGN_OF_LIFE + TICK
    assert f"WatchdogSec={LATEST:g}s" in UNIT.read_text()


class Bound:
    """What systemctl says of the units that are bound to the guard: each is up until a moment."""

    def __init__(self, host: Host, until: dict[str, float]) -> None:
        self.host = host
        self.until = until
        self.killed: list[tuple[float, tuple[str, ...]]] = []
        self.away_until = 0.0

    def run(self, arguments: Sequence[str]) -> str:
        if self.host.now < self.away_until:
            raise OSError("no answer")
        match list(arguments):
            case ["show", "--property=BoundBy", "--value", "fleet-lease.service"]:
                return " ".join(self.until) + "\n"
            case ["show", "--property=Id,ActiveState", "--", *units]:
                return "\n\n".join(f"Id={unit}\nActiveState={self._state(unit)}" for unit in units) + "\n"
            case ["kill", "--signal=KILL", "--", *units]:
                self.killed.append((self.host.now, tuple(units)))
                self.until.update(dict.fromkeys(units, self.host.now))
        return ""

    def _state(self, unit: str) -> str:
        return "deactivating" if self.host.now < self.until[unit] else "inactive"


def test_what_stops_in_time_is_not_killed(host: Host) -> None:
    bound = Bound(host, {"a.service": 1003.0, "b.service": 1009.0})
    assert kill(bound.run, host.clock, host.sleep) == 0
    assert bound.killed == []
    assert host.now < 1010.0


def test_what_takes_longer_than_the_grace_is_killed_and_nothing_else(host: Host) -> None:
    bound = Bound(host, {"a.service": 1003.0, "b.service": 9999.0})
    assert kill(bound.run, host.clock, host.sleep) == 0
    assert bound.killed == [(1000.0 + GRACE, ("b.service",))]


def test_a_service_manager_that_does_not_answer_is_asked_until_it_does(host: Host) -> None:
    bound = Bound(host, {"b.service": 9999.0})
    bound.away_until = 1030.0
    assert kill(bound.run, host.clock, host.sleep) == 0
    assert bound.killed == [(1030.0, ("b.service",))]


def test_with_nothing_bound_to_it_there_is_nothing_to_wait_for(host: Host) -> None:
    assert kill(Bound(host, {}).run, host.clock, host.sleep) == 0
    assert host.now == 1000.0


def test_the_scheduler_waits_longer_than_a_host_takes() -> None:
    assert PlanSettings().stop_bound >= GRACE + LATEST + 2.0


LEASE, NEXT = LeaseID(7), LeaseID(8)


def test_the_deadline_is_passed_on_only_while_the_registration_hangs_on_that_lease() -> None:
    said: list[float] = []
    promise = Promise(said.append)
    promise.renewed(LeaseStatus(LEASE, 10.0))
    assert said == []
    promise.give(LEASE)
    promise.renewed(LeaseStatus(LEASE, 13.0))
    promise.renewed(LeaseStatus(NEXT, 20.0))
    assert said == [10.0, 13.0]
    promise.withhold()
    promise.renewed(LeaseStatus(LEASE, 16.0))
    promise.renewed(LeaseStatus(NEXT, 30.0))
    assert said == [10.0, 13.0]
    promise.give(NEXT)
    assert said == [10.0, 13.0, 30.0]


def test_a_lease_that_the_registry_says_is_gone_is_promised_no_longer_than_it_was() -> None:
    """Somebody took it away, and the scheduler waits for as long as it would have lasted."""
    said: list[float] = []
    promise = Promise(said.append)
    promise.renewed(LeaseStatus(LEASE, 10.0))
    promise.give(LEASE)
    promise.renewed(LeaseStatus())
    promise.renewed(LeaseStatus(NEXT, 30.0))
    assert said == [10.0]


def test_a_disk_that_is_full_only_lets_the_promise_run_out(caplog: pytest.LogCaptureFixture) -> None:
    def full(_deadline: float) -> None:
        raise OSError("no space left")

    promise = Promise(full)
    promise.renewed(LeaseStatus(LEASE, 10.0))
    promise.give(LEASE)
    assert "no space left" in caplog.text


def test_what_the_agent_writes_the_guard_reads(host: Host, tmp_path: Path) -> None:
    files = DiskFiles(tmp_path / "units", tmp_path, tmp_path / "links")
    files.write_deadline(1004.25)
    host.watch()
    assert host.now == pytest.approx(1004.25)
    files.write_deadline(float("-inf"))
    assert host.watch() == "this host is not part of the cluster now"
