"""The agent: takes turns at making the host's systemd match the placements, and says how it is.

One turn looks at everything, decides (`reconcile`), and carries that out (`Executor`). What happens elsewhere, a new
placement, the end of a job, a connection that is back, only causes the next turn; once a minute there is one anyway.

No turn is taken before the placements were read once: what was not read is not known to be gone. While the registry
is away, the last reading holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from fleetpy.model.states import UnitGoal
from fleetpy.registry.backoff import Backoff
from fleetpy_agent import guarded
from fleetpy_agent.collisions import Collisions
from fleetpy_agent.dropin import GUARD_SERVICE, runs_something
from fleetpy_agent.executor import Executor
from fleetpy_agent.jobs import DONE, LOST, OVERDUE, WITHHELD, Jobs, Outcome
from fleetpy_agent.ledger import Ledger
from fleetpy_agent.membership import Membership
from fleetpy_agent.observer import Observer
from fleetpy_agent.publisher import Publisher
from fleetpy_agent.reconcile import Picture, reconcile
from fleetpy_agent.refused import Refused
from fleetpy_agent.report import Findings, report
from fleetpy_agent.setback import note_adrift
from fleetpy_agent.systemd.protocol import NO_SUCH_UNIT, NOWHERE, SystemdAwayError, SystemdRefusedError, Verb
from fleetpy_agent.troubles import LATER, SOON, Troubles
from fleetpy_agent.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetpy.ids import UnitName
    from fleetpy.model.records import PlacementRecord, StateRecord
    from fleetpy.registry.protocol import Guard
    from fleetpy_agent.applied import AppliedRecord
    from fleetpy_agent.files import HostFiles
    from fleetpy_agent.home import Home
    from fleetpy_agent.session import Session
    from fleetpy_agent.systemd.protocol import Systemd

_log = logging.getLogger(__name__)

COMPARISON = 60.0
"""Seconds between two turns that nothing caused."""

TOGETHER = 0.02
"""Seconds in which causes of a turn are gathered: placements come in several transactions."""

UNGUARDED = 5.0
"""Seconds until a unit is started again whose start failed for want of the lease's guard."""

_UNTOLD = {DONE, LOST, WITHHELD, "canceled"}
"""Results of jobs that are no problem of the unit's: done, unheard of, or replaced by somebody's newer wish."""


class Agent:
    """One host's agent. `run` needs a running loop; so does what is made here."""

    def __init__(
        self,
        home: Home,
        session: Session,
        systemd: Systemd,
        files: HostFiles,
        patience: float,
        tell: Callable[[str], None],
    ) -> None:
        """`patience` is how long (seconds) a registration of our id by another session may be one of our own.

        `tell` is given a sentence on how the agent is, now and then.
        """
        loop = asyncio.get_running_loop()
        self._session = session
        self._systemd = systemd
        self._tell = tell
        self._woken = asyncio.Event()
        self._wishes = Wishes(home, self._woken.set, self._on_set_back)
        self._ledger = Ledger(files)
        self._troubles = Troubles(loop.time)
        self._refused = Refused(loop.time)
        self._publisher = Publisher(home, session, self.states, self._premise, lambda: self._jobs.next)
        self._observer = Observer(systemd, self._on_units_changed)
        self._jobs = Jobs(systemd, self, self._observer.catch_up, self._counted_on)
        self._executor = Executor(
            home=home,
            systemd=systemd,
            files=files,
            ledger=self._ledger,
            jobs=self._jobs,
            troubles=self._troubles,
            announce=self._announce,
            look=self._observer.look,
        )
        self._collisions = Collisions(systemd, files)
        self._membership = Membership(session, self._publisher, self._wishes, self.turn, self._woken.set, patience)
        self._compared = float("-inf")
        self._turning = asyncio.Lock()
        self._connected = asyncio.Event()
        self._looked = asyncio.Event()
        systemd.signals.connected.append(self._on_connected)

    async def run(self) -> NoReturn:
        """Work until cancelled. What runs on the host, and the registration, stay as they are then."""
        async with asyncio.TaskGroup() as group:
            for work in (
                self._systemd.run(),
                self._jobs.run(),
                self._observer.run(),
                self._wishes.run(),
                self._publisher.run(),
                self._join(),
                self._take_turns(),
            ):
                group.create_task(work)
        raise AssertionError("an eternal task has ended")

    async def connected_once(self) -> None:
        """Wait until systemd was reached for the first time."""
        await self._connected.wait()

    async def depart(self) -> None:
        """After `run` has ended: if the host is shutting down and none of our units runs, end the registration.

        Then they start elsewhere without waiting for the lease to expire. Raises `UnavailableError`.
        """
        async with asyncio.TaskGroup() as group:
            self._connected.clear()
            connection = group.create_task(self._systemd.run())
            await self._connected.wait()
            if await self._systemd.shutting_down():
                names = [name for name in self._ledger.records if runs_something(name)]
                up = sorted(name for name, status in (await self._systemd.statuses(names)).items() if status.up)
                if up:
                    _log.warning("the host shuts down; its lease is left to expire, since %s still runs", ", ".join(up))
                else:
                    await self._session.leave()
                    _log.info("the host shuts down: it is no longer registered")
            connection.cancel()

    async def turn(self) -> None:
        """Look, decide, and carry that out. Raises `SystemdAwayError`."""
        async with self._turning:
            await self._look()
            self._looked.set()
            # Not before that, during which the placements may change: what is adrift must not be taken for given up.
            note_adrift(self._ledger, self._wishes)
            picture = self._picture()
            # What was placed here since the look is for the next turn: whether the host has its own is not known yet.
            seen = {name: wish for name, wish in picture.wanted.items() if name in self._observer.watched}
            picture = replace(picture, wanted=seen)
            tasks = reconcile(picture)
            try:
                if tasks:
                    await self._executor.carry_out(tasks, picture)
            finally:
                self._publisher.changed()
            held = f"{len(self._ledger.records)} units"
            self._tell(f"Registered; {held}" if self._publisher.ready else f"Not registered; {held}")

    def states(self) -> Mapping[UnitName, StateRecord]:
        """What there is to say of each unit now."""
        said = report(self._picture(), Findings(self._observer.details, self._troubles.problems))
        return self._refused.added_to(said)

    def job_queued(self, name: UnitName, verb: Verb) -> None:
        """See `JobsListener.job_queued`: it is noted before anything else, so that no agent after us does it again."""
        self._note_carried_out(name, verb)
        self._publisher.changed()

    def job_ended(self, name: UnitName, outcome: Outcome) -> None:
        """See `JobsListener.job_ended`."""
        wish = self._wishes.get(name)
        if outcome.verb is Verb.STOP and outcome.code == NO_SUCH_UNIT:
            self._note_carried_out(name, outcome.verb)  # There was nothing to stop.
        elif isinstance(outcome.error, SystemdAwayError):
            self._troubles.note(name, wish, f"systemd did not take a job to {outcome.verb} it: {outcome.error}", SOON)
        elif outcome.error is not None:
            self._troubles.note(
                name,
                wish,
                f"systemd refuses to {outcome.verb} it: {outcome.error}",
                LATER if outcome.verb is Verb.STOP else 0.0,
            )
            if outcome.verb is not Verb.STOP:
                self._note_carried_out(name, outcome.verb)
        elif outcome.result == OVERDUE:
            self._troubles.note(name, wish, f"systemd still works on its {outcome.verb} job; no longer waiting for it")
        elif outcome.result not in _UNTOLD:
            # Without the guard of the lease a unit that needs it is not started; it is to be, once that is there.
            unguarded = outcome.result == "dependency" and guarded.is_ending(self._observer.units)
            self._troubles.note(
                name, wish, f"its {outcome.verb} job ended as {outcome.result!r}", UNGUARDED if unguarded else 0.0
            )
        else:
            self._troubles.clear(name)
        # Another restart may have been asked for meanwhile, and what was to be stopped can be unloaded now.
        if outcome.verb is not Verb.START or outcome.error is not None or outcome.result == WITHHELD:
            self._woken.set()
        self._on_units_changed()

    def _on_connected(self) -> None:
        self._compared = float("-inf")
        self._collisions.forget_search_path()
        self._connected.set()
        self._woken.set()

    def _on_set_back(self) -> None:
        # Whatever was written since then is gone: the registration perhaps, and what was said of units.
        self._session.lose("the registry was set back")
        self._woken.set()

    def _on_units_changed(self) -> None:
        self._publisher.changed()
        if self._guarded_changes(lost=guarded.is_ending(self._observer.units)):
            self._woken.set()

    def _guarded_changes(self, *, lost: bool) -> dict[UnitName, AppliedRecord]:
        bound = self._ledger.bound
        return guarded.changes(bound, self._observer.units, self._jobs.under_way, lost=lost) if bound else {}

    async def _look_after_guarded(self) -> None:
        """Note what became of the units that are bound to the guard of the lease."""
        guard = self._observer.units.get(GUARD_SERVICE, NOWHERE)
        if guard.active == "failed" and not self._ledger.bound:
            with contextlib.suppress(SystemdRefusedError):
                await self._systemd.reset_failed(GUARD_SERVICE)  # Its failure is over, and mended.
        if not self._guarded_changes(lost=True):
            return
        lost = guarded.is_ending(self._observer.units) and await self._systemd.result(GUARD_SERVICE) != "success"
        if lost and not self._session.certain:
            return  # It would not be started now.
        for name, record in self._guarded_changes(lost=lost).items():
            if lost:
                _log.warning("%s was stopped along with %s, and is to be started again", name, GUARD_SERVICE)
            try:
                self._ledger.put(name, record)
            except OSError as error:
                _log.error("%s: cannot note what became of it: %s", name, error)

    async def _look(self) -> None:
        """See what there is to see, for the picture."""
        wanted, ours = self._wishes.readable(), self._ledger.records.keys()
        asked = self._jobs.asked
        self._observer.watch(wanted.keys() | ours | self._jobs.queued | {GUARD_SERVICE})
        now = asyncio.get_running_loop().time()
        thorough = now - self._compared >= COMPARISON
        await self._observer.refresh(
            but=() if thorough else self._observer.resting - self._jobs.queued - {GUARD_SERVICE}
        )
        self._jobs.compare(self._observer.units, asked)
        await self._look_after_guarded()
        self._troubles.refresh(wanted, ours)
        self._collisions.keep_only(wanted.keys() | ours)
        await self._collisions.find(wanted.keys() - ours, ours if thorough else (), self._observer.units)
        if thorough:
            self._compared = now

    async def _take_turns(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        backoff = Backoff(longest=5.0)
        await self._wishes.synced()
        await self._connected.wait()
        while True:
            self._woken.clear()
            try:
                await self.turn()
            except SystemdAwayError as error:
                _log.log(
                    logging.DEBUG if backoff.failures else logging.WARNING, "this turn was not finished: %s", error
                )
                await backoff.wait()
                continue
            backoff.reset()
            due = min(self._compared + COMPARISON, self._troubles.until or float("inf"))
            if self._guarded_changes(lost=True) or (self._publisher.ready and not self._session.certain):
                due = min(due, loop.time() + SOON)  # The cluster may be back without a word.
            try:
                async with asyncio.timeout_at(max(due, loop.time() + TOGETHER)):
                    await self._woken.wait()
                await asyncio.sleep(TOGETHER)
            except TimeoutError:
                continue

    async def _join(self) -> NoReturn:
        await self._looked.wait()  # Else it would be said that nothing runs here.
        await self._membership.run()

    def _picture(self) -> Picture:
        return Picture(
            wanted=self._wishes.readable(),
            applied=self._ledger.records,
            units=self._observer.units,
            jobs=self._jobs.under_way,
            collisions=self._collisions.paths,
            unreadable=self._wishes.unreadable(),
            held_back=self._troubles.held_back,
            registered=self._counted_on(),
        )

    def _counted_on(self) -> bool:
        """Whether the cluster surely counts on this machine: for all that its own clock says, and not only so far."""
        return self._publisher.ready and self._session.certain

    def _premise(self, name: UnitName) -> Guard | None:
        """What a state of the unit depends on: if nothing of it is here yet, on its placement."""
        return None if name in self._ledger.records else self._wishes.standing(name)

    async def _announce(self, wanted: Mapping[UnitName, PlacementRecord]) -> frozenset[UnitName]:
        """See `Executor`."""
        kept = await self._publisher.ensure(wanted)
        return frozenset(name for name in kept if self._wishes.get(name) == wanted[name])

    def _note_carried_out(self, name: UnitName, verb: Verb) -> None:
        goal = UnitGoal.LOADED if verb is Verb.STOP else UnitGoal.LAUNCHED
        try:
            self._ledger.note_goal(name, goal, self._wishes.get(name))
        except OSError as error:
            _log.error("%s: cannot note that it was told to %s: %s", name, verb, error)
