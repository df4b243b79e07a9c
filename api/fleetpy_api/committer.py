"""Transactions that outlast an etcd that is silent for a moment: each is written once, or certainly not at all.

A transaction that etcd did not answer may have been written, or may be written yet, by a member that hangs and goes on.
To send it again as it is could make a unit twice, or bring one back that was destroyed meanwhile. So each transaction
has one more guard: that a key of its own, its fence, is absent. One that is not answered has its fence put up. From
there on it cannot come true, wherever it is stuck; and the registry's history up to the fence tells whether it had,
whatever others have made of it since. If not, it is sent again, with a fence of its own, and its guards decide: what
somebody else won meanwhile is lost, as ever.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.ids import Revision
from fleetpy.registry.backoff import Backoff
from fleetpy.registry.protocol import (
    MAX_OPERATIONS,
    Absent,
    Deleted,
    NotSentError,
    Put,
    RegistryDeniedError,
    RegistryFullError,
    RequestTooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.registry.keys import Keys
    from fleetpy.registry.protocol import Entry, Guard, Registry, Write
    from fleetpy_api.catch_up import Revised

_log = logging.getLogger(__name__)

PATIENCE = 7.0
"""Seconds that a request has to outlast a silence of etcd. fleetctl gives up on a request after 10, and when this is
over the picture may take 2 more to catch up."""
LONGEST_PAUSE = 1.0
"""Seconds between two tries, at the most."""
FENCE_TTL = 3600.0
"""Seconds that a fence stands. A transaction that is stuck for longer has no client and no connection any more."""
MAX_GUARDS = MAX_OPERATIONS - 1
"""The most guards of one transaction: one more is the fence's."""

_FINAL = (RegistryDeniedError, RegistryFullError, RequestTooLargeError)
"""Answers that waiting does not change, to a transaction that was not written."""


def deadline() -> float:
    """Until when a request that comes now may wait for etcd, by the loop's clock."""
    return asyncio.get_running_loop().time() + PATIENCE


@dataclass(slots=True)
class _Attempt:
    """A transaction, and the fence of the last try of it whose outcome is not known; empty if there is none."""

    writes: Sequence[Write]
    guards: Sequence[Guard]
    since: Revision
    """A revision at which it was not written."""
    fence: str = ""


class Committer:
    """Commits to the registry what was decided by the picture."""

    def __init__(self, registry: Registry, keys: Keys, picture: Revised) -> None:
        self._registry = registry
        self._keys = keys
        self._picture = picture

    async def commit(self, writes: Sequence[Write], guards: Sequence[Guard], until: float) -> Revision:
        """As `Registry.commit`, of at most `MAX_GUARDS` guards; tried again until the loop's clock shows `until`.

        What is raised then is a `NotSentError` if it is certain that nothing was written, else an `UnavailableError`.
        The first try has whatever time the registry gives it.
        """
        attempt = _Attempt(writes, guards, self._picture.revision)
        try:
            return await self._send(attempt)
        except _FINAL:
            raise
        except UnavailableError as error:
            words = str(error)
        backoff = Backoff(longest=LONGEST_PAUSE)
        try:
            async with asyncio.timeout_at(until):
                while True:
                    await backoff.wait()
                    try:
                        return await self._settle(attempt) or await self._send(attempt)
                    except _FINAL:
                        raise
                    except UnavailableError as error:
                        words = str(error)
        except TimeoutError:
            words = f"{words} (tried again for {PATIENCE:g} s)"
        except _FINAL as error:
            if not attempt.fence:
                raise
            words = str(error)
        raise UnavailableError(words) if attempt.fence else NotSentError(words)

    async def _send(self, attempt: _Attempt) -> Revision:
        """Try once."""
        # Random so that no two are the same, as in `Backoff`: no secret hangs on it.
        fence = attempt.fence = self._keys.fence(f"{random.getrandbits(128):032x}")
        try:
            return await self._registry.commit(attempt.writes, guards=[*attempt.guards, Absent(fence)])
        except (NotSentError, LostRaceError, *_FINAL):
            attempt.fence = ""
            raise

    async def _settle(self, attempt: _Attempt) -> Revision | None:
        """The revision at which the last try was written; None if it was not, and cannot be any more."""
        if not attempt.fence:
            return None
        written = None
        if attempt.writes:
            lease = await self._registry.grant_lease(FENCE_TTL)
            await self._registry.commit([Put(attempt.fence, b"", lease)])
            try:
                written = await self._find(attempt)
            except LostRaceError as error:
                raise UnavailableError(f"what became of it cannot be seen: {error}") from error
            outcome = "had been written" if written else "had not been written, and is sent again"
            _log.info("a transaction of %d writes that etcd did not answer %s", len(attempt.writes), outcome)
        attempt.fence = ""
        return written

    async def _find(self, attempt: _Attempt) -> Revision | None:
        """Where the transaction stands in the history that ends with its fence, if it does."""
        history = self._registry.watch(self._keys.prefix, start=Revision(attempt.since + 1))
        async with aclosing(history):
            async for batch in history:
                for revision, group in groupby(batch.events, key=_revision):
                    events = {event.key: event for event in group}
                    if all(_shows(events.get(write.key), write) for write in attempt.writes):
                        return revision
                    if attempt.fence in events:
                        return None
        raise UnavailableError("the connection to etcd was closed")


def _revision(event: Entry | Deleted) -> Revision:
    return event.revision if isinstance(event, Deleted) else event.mod_revision


def _shows(event: Entry | Deleted | None, write: Write) -> bool:
    """Whether the event is what this write makes."""
    if event is None or isinstance(event, Deleted):
        return event is not None and not isinstance(write, Put)
    return isinstance(write, Put) and event.value == write.value
