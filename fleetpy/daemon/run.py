"""Running a daemon: from the command line to its coroutine, and from its errors to an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING

from fleetpy.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_log = logging.getLogger(__name__)


def run_daemon(name: str, start: Callable[[], Coroutine[None, None, None]]) -> int:
    """Run the daemon until it ends or SIGTERM or SIGINT asks it to; the exit code.

    A `FleetError` becomes one line and its exit code. Any other error is a defect: it goes through as it is, traceback
    and all, for the journal; systemd starts the daemon again.
    """
    try:
        asyncio.run(_until_signal(name, start()))
    except (FleetError, ExceptionGroup) as error:
        known = [leaf for leaf in flatten(error) if isinstance(leaf, FleetError)]
        if len(known) < len(flatten(error)):
            raise
        for leaf in known:
            sys.stderr.write(f"{name}: {leaf}\n")
        return max(leaf.exit_code for leaf in known)
    return 0


def flatten(error: BaseException) -> list[BaseException]:
    """The errors inside of nested exception groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in flatten(inner)]
    return [error]


async def _until_signal(name: str, work: Coroutine[None, None, None]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    asked = False

    def ask(number: signal.Signals) -> None:
        nonlocal asked
        if not asked:
            asked = True
            _log.info("%s ends on %s", name, number.name)
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask, number)
    with contextlib.suppress(asyncio.CancelledError):
        await task
