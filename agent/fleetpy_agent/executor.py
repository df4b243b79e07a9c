"""Carrying out a batch of tasks, kind by kind: stop, unload, write, reload, load, start.

What goes wrong with one unit takes that unit out of the batch and no other: it is noted as its trouble, and the next
turn decides anew. Stops are waited for only as long as some of them end; a unit that takes its time is left for a
later turn. Starts are not waited for at all.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fleetpy.errors import UnavailableError
from fleetpy.model.states import UnitGoal
from fleetpy_agent.applied import AppliedRecord
from fleetpy_agent.batch import Batch
from fleetpy_agent.dropin import dropin
from fleetpy_agent.reconcile import Kind
from fleetpy_agent.systemd.protocol import NOT_FOUND, NOWHERE, SystemdRefusedError, Verb
from fleetpy_agent.texts import Text, fetch_texts
from fleetpy_agent.troubles import LATER, SOON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from fleetpy.ids import UnitName
    from fleetpy.model.records import PlacementRecord
    from fleetpy_agent.files import HostFiles
    from fleetpy_agent.home import Home
    from fleetpy_agent.jobs import Jobs
    from fleetpy_agent.ledger import Ledger
    from fleetpy_agent.reconcile import Picture, Task
    from fleetpy_agent.systemd.protocol import Systemd, UnitStatus
    from fleetpy_agent.troubles import Troubles

_log = logging.getLogger(__name__)

STOP_QUIET = 0.5
"""Seconds without any stop ending after which a batch goes on without those that have not."""

STOP_LONGEST = 5.0
"""Seconds that a batch waits for its stops at the most."""


class Executor:
    """Carries out batches on one host.

    `announce` sees to it that the registry has a state of each of the units given to it, and says of which it has, for
    the very placement that was given: nothing of a unit is touched before. Raises `UnavailableError`.

    `look` reads the statuses of units, for everybody else to know too (`Observer.look`). Raises `SystemdAwayError`.
    """

    def __init__(  # noqa: PLR0913 - what it works with, wired once by the agent
        self,
        *,
        home: Home,
        systemd: Systemd,
        files: HostFiles,
        ledger: Ledger,
        jobs: Jobs,
        troubles: Troubles,
        announce: Callable[[Mapping[UnitName, PlacementRecord]], Awaitable[Collection[UnitName]]],
        look: Callable[[Collection[UnitName]], Awaitable[Mapping[UnitName, UnitStatus]]],
    ) -> None:
        self._home = home
        self._systemd = systemd
        self._files = files
        self._ledger = ledger
        self._jobs = jobs
        self._troubles = troubles
        self._announce = announce
        self._look = look
        self._reload_owed = False

    async def carry_out(self, tasks: tuple[Task, ...], picture: Picture) -> None:
        """Carry out one batch. Raises `SystemdAwayError`; what was not done by then, the next turn finds again."""
        batch = Batch(tasks)
        texts = await self._fetch(batch, picture)
        await self._take_on(batch, picture.wanted, texts)
        await self._stop(batch, picture)
        # A reload that failed is owed: nothing but our memory tells that systemd has old files in its own.
        self._reload_owed |= batch.has(Kind.RELOAD)
        await self._unload(batch, picture)
        self._reload_owed |= await self._write(batch, picture.wanted, texts)
        if self._reload_owed:
            await self._reload()
        await self._load(batch, picture.wanted)
        for kind, verb in ((Kind.START, Verb.START), (Kind.RESTART, Verb.RESTART)):
            for name in batch.names(kind):
                self._jobs.submit(verb, name)
        for name in batch.names(Kind.NOTE):
            self._ledger.put(name, self._ledger.records[name].taken_over(picture.wanted[name]))
        if summary := batch.summary():
            _log.info("%s", summary)

    async def _fetch(self, batch: Batch, picture: Picture) -> Mapping[UnitName, Text]:
        """The texts to write. A unit without one is left as it is: stopping what there is would not help."""
        names = batch.names(Kind.WRITE)
        if not names:
            return {}
        try:
            found = await fetch_texts(self._home, {picture.wanted[name].hash for name in names})
        except UnavailableError as error:
            for name in names:
                self._give_up(batch, name, picture.wanted, f"its unit file cannot be fetched: {error}", SOON)
            return {}
        texts: dict[UnitName, Text] = {}
        for name in names:
            text = found[picture.wanted[name].hash]
            if isinstance(text, Text):
                texts[name] = text
            else:
                self._give_up(batch, name, picture.wanted, text, LATER)
        return texts

    async def _take_on(
        self, batch: Batch, wanted: Mapping[UnitName, PlacementRecord], texts: Mapping[UnitName, Text]
    ) -> None:
        """Have the registry know of the units before anything of them is here, and note that something may be."""
        try:
            announced = await self._announce({name: wanted[name] for name in texts}) if texts else ()
        except UnavailableError as error:
            for name in texts:
                self._give_up(batch, name, wanted, f"the registry does not take its state: {error}", SOON)
            return
        # From here to the notes without a pause: what has no note has no state either, once it is not wanted any more.
        for name in texts:
            if name not in announced:
                batch.drop(name)  # Its placement has changed, and the next turn sees that.
            elif name not in self._ledger.records:
                try:
                    self._ledger.put(name, _fresh(wanted[name], stops=texts[name].stops(name)))
                except OSError as error:
                    self._give_up(batch, name, wanted, f"cannot note that it comes: {error}", LATER)

    async def _stop(self, batch: Batch, picture: Picture) -> None:
        for name in batch.names(Kind.STOP):
            self._jobs.submit(Verb.STOP, name)
        leaving = [name for name in batch.names(Kind.UNLOAD) if name not in picture.collisions]
        if not leaving:
            return
        await self._jobs.settle(leaving, STOP_QUIET, STOP_LONGEST)
        # Those that were down are looked at again too: a socket or a timer may have started one meanwhile.
        statuses = await self._systemd.statuses(leaving)
        for name in leaving:
            if name in self._jobs.under_way or name in self._troubles.held_back:
                batch.drop(name)
            elif statuses.get(name, NOWHERE).up:
                self._give_up(batch, name, picture.wanted, "it is to be unloaded, and runs all the same", SOON)

    async def _unload(self, batch: Batch, picture: Picture) -> None:
        names, rewritten = batch.names(Kind.UNLOAD), set(batch.names(Kind.WRITE))
        await _bulk(self._systemd.disable, names, _pass_over)
        for name in names:
            try:
                if picture.units.get(name, NOWHERE).active == "failed":
                    await self._systemd.reset_failed(name)
                self._files.remove(name)
                if name in rewritten:
                    self._ledger.begin_again(name)
                else:
                    self._ledger.drop(name)
            except (OSError, SystemdRefusedError) as error:
                self._give_up(batch, name, picture.wanted, f"it cannot be unloaded: {error}", LATER)
            else:
                self._troubles.clear(name)

    async def _write(
        self, batch: Batch, wanted: Mapping[UnitName, PlacementRecord], texts: Mapping[UnitName, Text]
    ) -> bool:
        """Write files, link and enable them; whether that calls for a reload."""
        for name in batch.names(Kind.WRITE):
            placement, text, stops = wanted[name], texts[name], texts[name].stops(name)
            try:
                if self._ledger.records[name].goal is UnitGoal.INACTIVE:
                    self._ledger.put(name, _fresh(placement, stops=stops))
                added = dropin(name, placement.epoch, stops=stops, refuses_stop=text.refuses_stop)
                self._files.write(name, text.text, added)
            except OSError as error:
                self._give_up(batch, name, wanted, f"its files cannot be written: {error}", LATER)

        def refuse(name: UnitName, error: SystemdRefusedError) -> None:
            self._give_up(batch, name, wanted, f"systemd refuses to link or enable it: {error}", LATER)

        names = batch.names(Kind.WRITE)
        installing = [name for name in names if texts[name].installs]
        await _bulk(self._link, [name for name in names if not texts[name].installs], refuse)
        await _bulk(self._enable, installing, refuse)
        return bool(installing)

    async def _link(self, names: Sequence[UnitName]) -> None:
        await self._systemd.link([self._files.unit_file(name) for name in names])

    async def _enable(self, names: Sequence[UnitName]) -> None:
        await self._systemd.enable([self._files.unit_file(name) for name in names])

    async def _reload(self) -> None:
        self._reload_owed = True
        await self._systemd.reload()
        self._reload_owed = False

    async def _load(self, batch: Batch, wanted: Mapping[UnitName, PlacementRecord]) -> None:
        names = batch.names(Kind.LOAD)
        if not names:
            return
        statuses = await self._look(names)
        if any(status.load == NOT_FOUND for status in statuses.values()):
            # systemd looks for new files when a folder's time of change is another; two changes may fall into one.
            await self._reload()
            statuses = await self._look(names)
        for name in names:
            status, record = statuses.get(name, NOWHERE), self._ledger.records[name]
            if status.load == NOT_FOUND:
                self._give_up(batch, name, wanted, _not_found(name), LATER)
                continue
            if record.goal is UnitGoal.INACTIVE:
                self._ledger.put(name, record.replace(goal=UnitGoal.LOADED))
            if status.load == "loaded":
                self._troubles.clear(name)
            else:
                self._troubles.note(name, wanted[name], f"systemd cannot load it: {status.load}")

    def _give_up(
        self, batch: Batch, name: UnitName, wanted: Mapping[UnitName, PlacementRecord], problem: str, hold: float
    ) -> None:
        """Leave the unit as it is, for `hold` seconds."""
        batch.drop(name)
        self._troubles.note(name, wanted.get(name), problem, hold)


def _fresh(placement: PlacementRecord, *, stops: bool) -> AppliedRecord:
    """What is kept of a placement before anything of it is done."""
    return AppliedRecord(
        uid=placement.uid, epoch=placement.epoch, hash=placement.hash, restarted=placement.restarted, stops=stops
    )


async def _bulk(
    call: Callable[[Sequence[UnitName]], Awaitable[None]],
    names: Sequence[UnitName],
    refused: Callable[[UnitName, SystemdRefusedError], None],
) -> None:
    """Call for all units at once; if that is refused, for each by itself, to find out which one it is about."""
    if not names:
        return
    try:
        await call(names)
    except SystemdRefusedError:
        for name in names:
            try:
                await call([name])
            except SystemdRefusedError as error:
                refused(name, error)


def _not_found(name: UnitName) -> str:
    if name.endswith(".scope"):
        return "systemd makes scopes of processes that run already, never of a file"
    return "systemd does not find the unit file that it was told to link"


def _pass_over(name: UnitName, error: SystemdRefusedError) -> None:
    """What was never linked need not be unlinked."""
    _log.debug("%s is not disabled: %s", name, error)
