"""Running a daemon: from the command line to its coroutine, through its reloads, and from its errors to an exit code.

On SIGHUP a daemon reads its configuration anew. If that cannot be used, it says why and goes on as it is. If it can,
the daemon stops as it does on SIGTERM and has the kernel start it again in the same process (execve(2)): systemd's
sockets, its watchdog and the process id stay, and whatever the configuration says is read in one place, at the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from fleetpy.daemon.command import configuration
from fleetpy.daemon.logs import configure_logging
from fleetpy.daemon.notify import ServiceManager
from fleetpy.errors import FleetError, UnavailableError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine

    from fleetpy.config import FleetConfig

_log = logging.getLogger(__name__)

_ENDING = (signal.SIGTERM, signal.SIGINT)
_ANSWERED = (*_ENDING, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Daemon:
    """What there is to run.

    `check` raises a `FleetError` if the daemon could not work as configured; it changes nothing, and may be called
    while the daemon works. `serve` works until it is cancelled, or ends by itself.
    """

    name: str
    check: Callable[[FleetConfig], object]
    serve: Callable[[FleetConfig, ServiceManager], Coroutine[None, None, None]]


def run_daemon(daemon: Daemon, given: argparse.Namespace) -> int:
    """Run the daemon until it ends or SIGTERM or SIGINT asks it to; the exit code. `given`: see `command_line`.

    A `FleetError` becomes one line and its exit code. Any other error is a defect: it goes through as it is, traceback
    and all, for the journal; systemd starts the daemon again.
    """
    try:
        config = _checked_configuration(daemon, given)
        if given.check:
            return 0
        configure_logging(config.verbosity, os.environ)
        for warning in config.warnings:
            _log.warning("%s", warning)
        life = _Life(daemon.name, ServiceManager(os.environ), partial(_checked_configuration, daemon, given))
        asyncio.run(life.live(daemon.serve(config, life.service)))
        if life.again:
            _start_again()
    except (FleetError, ExceptionGroup) as error:
        known = [leaf for leaf in flatten(error) if isinstance(leaf, FleetError)]
        if len(known) < len(flatten(error)):
            raise
        for leaf in known:
            sys.stderr.write(f"{daemon.name}: {leaf}\n")
        return max(leaf.exit_code for leaf in known)
    return 0


def flatten(error: BaseException) -> list[BaseException]:
    """The errors inside of nested exception groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in flatten(inner)]
    return [error]


class _Life:
    """The daemon from its start to its end; `again` says whether another life is to follow."""

    def __init__(self, name: str, service: ServiceManager, check: Callable[[], object]) -> None:
        self.service = service
        self.again = False
        self._name = name
        self._check = check
        self._ending = False

    async def live(self, work: Coroutine[None, None, None]) -> None:
        """Do the work until it ends, or a signal ends it."""
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)
        for number in _ENDING:
            loop.add_signal_handler(number, self._end, task, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload, task)
        # An earlier life has kept back what came while nobody could answer.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ANSWERED)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def _end(self, task: asyncio.Task[None], number: signal.Signals) -> None:
        self.again = False
        self.service.stopping()
        if not self._ending:
            _log.info("%s ends on %s", self._name, number.name)
            self._stop(task)

    def _reload(self, task: asyncio.Task[None]) -> None:
        if self._ending:
            return  # It reads what is there when it has started again, or does not start again.
        self.service.reloading()
        try:
            self._check()
        except FleetError as error:
            _log.error("%s keeps its old configuration, since the new one cannot be used: %s", self._name, error)
            self.service.not_reloaded()
        else:
            _log.info("%s starts again with the configuration as it is now", self._name)
            self.again = True
            self._stop(task)

    def _stop(self, task: asyncio.Task[None]) -> None:
        self._ending = True
        task.cancel()


def _checked_configuration(daemon: Daemon, given: argparse.Namespace) -> FleetConfig:
    config = configuration(given, os.environ)
    daemon.check(config)
    return config


def _start_again() -> NoReturn:
    """Run this program anew in this process; it inherits what systemd handed over, and no file of ours."""
    # A signal that came while Python starts would end the process: whoever is next takes it when it can answer.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ANSWERED)
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell, and our own command
    except OSError as error:
        raise UnavailableError(f"cannot start again as {sys.executable}: {error.strerror}") from error
