"""Being part of the cluster: registering, and doing so again when the registration was lost.

The cluster may have gone on without us. So what is no longer placed here is stopped before it hears of us again, and
by the time that it counts on this machine it knows of everything that is still here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

from fleetpy.errors import LostRaceError, UnavailableError
from fleetpy.registry.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fleetpy_agent.publisher import Publisher
    from fleetpy_agent.session import Session
    from fleetpy_agent.wishes import Wishes

_log = logging.getLogger(__name__)


class Membership:
    """Keeps the machine registered and, while it is, its states published.

    `clear_away` stops and unloads what is no longer placed here; `on_joined` is called each time that it has joined.
    """

    def __init__(
        self,
        session: Session,
        publisher: Publisher,
        wishes: Wishes,
        clear_away: Callable[[], Awaitable[None]],
        on_joined: Callable[[], None],
        patience: float,
    ) -> None:
        """`patience`: see `Session.prepare`."""
        self._session = session
        self._publisher = publisher
        self._wishes = wishes
        self._clear_away = clear_away
        self._on_joined = on_joined
        self._patience = patience

    async def run(self) -> NoReturn:
        """Join, and join again whenever the registration is lost."""
        backoff = Backoff()
        while True:
            try:
                await self._join()
            except (UnavailableError, LostRaceError) as error:
                _log.log(logging.DEBUG if backoff.failures else logging.WARNING, "not registered yet: %s", error)
                await backoff.wait()
                continue
            backoff.reset()
            self._publisher.start()
            self._on_joined()
            await self._session.lost()
            self._publisher.stop()

    async def _join(self) -> None:
        revision = await self._session.prepare(self._patience)
        await self._wishes.at_least(revision)
        if not self._session.continues:
            await self._clear_away()
            await self._publisher.recover()
            await self._publisher.flush()
        await self._session.complete()
        if not self._session.continues:
            # The placements may be different by the time that we are counted on again: nothing is started before they
            # are known, since what has gone elsewhere would run twice. What was read before may be of a past that is no
            # more, and that had come further: the registry may have been set back while we were cut off.
            await self._wishes.reread()
        # Only now is it certain that nothing written before can still be committed, so only now is a reading final.
        await self._publisher.recover()
