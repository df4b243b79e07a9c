"""Waiting for the picture to show what was written: read your own writes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fleetpy.ids import Revision

_log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that the picture has; fleetctl gives up on a request after 10, of which etcd may have taken 7."""


class Revised(Protocol):
    """A picture that knows how new it is."""

    @property
    def revision(self) -> Revision:
        """How new it is."""
        ...

    async def at_least(self, revision: Revision) -> None:
        """Wait until the picture is as new as `revision`."""
        ...


async def catch_up(picture: Revised, revision: Revision) -> bool:
    """Wait until the picture shows `revision`; False, and a warning in the log, if that takes too long."""
    try:
        async with asyncio.timeout(PATIENCE):
            await picture.at_least(revision)
    except TimeoutError:
        _log.warning("the picture of the cluster is behind: revision %d was not seen in %gs", revision, PATIENCE)
        return False
    return True
