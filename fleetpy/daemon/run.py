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

    A `FleetError` becomes one line and its exit code; any other error is a defect: it is logged whole, exit code 70
    (EX_SOFTWARE), and systemd starts the daemon again.
    """
    try:
        asyncio.run(_until_signal(name, start()))
    except* FleetError as group:
        for error in flatten(group):
            sys.stderr.write(f"{name}: {error}\n")
        return max(error.exit_code for error in flatten(group) if isinstance(error, FleetError))
    except* Exception as group:
        _log.critical("%s ends by a defect", name, exc_info=group)
        return 70
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
