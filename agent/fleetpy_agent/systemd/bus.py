"""A connection to the system bus that is made again when it breaks, for talking to systemd and nobody else.

dbus-fast drops the connection when it writes faster than the socket takes, and dbus-daemon answers at most 128 calls
of a connection at a time (`LimitsExceeded`). So calls are bounded here.

When systemd's own connection to the bus breaks, it does not come back by itself. SIGUSR1 makes it connect again
(systemd(1), "Signals"), so that is what it is sent when its name has been gone for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from fleetpy.registry.backoff import Backoff
from fleetpy_agent.systemd.paths import ROOT
from fleetpy_agent.systemd.protocol import SystemdAwayError, SystemdRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = f"{SYSTEMD}.Manager"
UNIT = f"{SYSTEMD}.Unit"
PROPERTIES = "org.freedesktop.DBus.Properties"
_DAEMON = "org.freedesktop.DBus"
_DAEMON_PATH = "/org/freedesktop/DBus"

CALLS_AT_ONCE = 64
"""Calls without an answer yet; dbus-daemon's bound is 128."""

CALL_TIMEOUT = 30.0
"""Seconds until a call that nobody answers has failed."""

_ABSENCE = 5.0
"""Seconds that systemd may be away from the bus before it is asked to come back, and between two such requests."""

_MATCHES = (
    f"type='signal',sender='{SYSTEMD}',path='{ROOT}',interface='{MANAGER}',member='JobRemoved'",
    f"type='signal',sender='{SYSTEMD}',path_namespace='{ROOT}/unit',interface='{PROPERTIES}',arg0='{UNIT}'",
    f"type='signal',sender='{_DAEMON}',interface='{_DAEMON}',member='NameOwnerChanged',arg0='{SYSTEMD}'",
)

# The call has not been carried out, or nobody knows; all other errors are answers.
_AWAY = {
    f"{_DAEMON}.Error.{name}"
    for name in (
        "Disconnected",
        "LimitsExceeded",
        "NameHasNoOwner",
        "NoReply",
        "NoServer",
        "ServiceUnknown",
        "TimedOut",
        "Timeout",
    )
} | {f"{SYSTEMD}.ShuttingDown", f"{SYSTEMD}.TransactionIsDestructive"}


class _Bus(MessageBus):
    """A connection that only `call` and `wait_for_disconnect` tell errors of: nobody asks for what became of `send`."""

    def send(self, msg: Message) -> asyncio.Future[None]:  # type: ignore[override]  # as in MessageBus itself
        """Send; raises nothing."""
        try:
            sent = super().send(msg)
        except OSError as error:  # The connection has just broken: whoever waits for an answer was told.
            sent = asyncio.get_running_loop().create_future()
            sent.set_exception(error)
        sent.add_done_callback(lambda future: future.cancelled() or future.exception())
        return sent


class SystemdBus:
    """The connection; `on_signal` gets systemd's signals, `on_connected` is called when systemd answers (again)."""

    def __init__(self, on_signal: Callable[[Message], None], on_connected: Callable[[], None]) -> None:
        self._on_signal = on_signal
        self._on_connected = on_connected
        self._bus: _Bus | None = None
        self._owned = asyncio.Event()
        self._owner_changed = asyncio.Event()
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def run(self) -> NoReturn:
        """Connect, and connect again whenever the connection breaks."""
        backoff = Backoff()
        while True:
            trouble: object = "it was closed"
            try:
                await self._serve(backoff)
            except* (OSError, EOFError, DBusFastError, SystemdAwayError, SystemdRefusedError) as group:
                trouble = group.exceptions[0]
            finally:
                await self.close()
            if not backoff.failures:
                _log.warning("no connection to systemd on the system bus (%s); trying again", trouble)
            await backoff.wait()

    async def close(self) -> None:
        """Close the connection; calls under way end with `SystemdAwayError`."""
        bus, self._bus = self._bus, None
        self._owned.clear()
        if bus is not None and bus.connected:
            bus.disconnect()
            with contextlib.suppress(OSError, EOFError):
                await _disconnected(bus)

    async def call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: object,
        timeout: float = CALL_TIMEOUT,  # noqa: ASYNC109 - ends as SystemdAwayError, not as TimeoutError
    ) -> list[object]:
        """Call systemd; the answer's body. Raises `SystemdAwayError` or `SystemdRefusedError`."""
        if not self._owned.is_set():
            raise SystemdAwayError(f"cannot call {member}: systemd is not on the system bus")
        return await self._call(SYSTEMD, path, interface, member, signature, *body, timeout=timeout)

    async def _serve(self, backoff: Backoff) -> None:
        bus = _Bus(bus_type=BusType.SYSTEM, auth_timeout=CALL_TIMEOUT)
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                await bus.connect()
        except TimeoutError as error:
            bus.disconnect()
            raise SystemdAwayError(f"it did not greet us within {CALL_TIMEOUT:g} seconds") from error
        self._bus = bus
        bus.add_message_handler(self._received)
        for match in _MATCHES:
            await self._call(_DAEMON, _DAEMON_PATH, _DAEMON, "AddMatch", "s", match)
        async with asyncio.TaskGroup() as group:
            ownership = group.create_task(self._follow_owner(backoff))
            await _disconnected(bus)
            ownership.cancel()

    async def _follow_owner(self, backoff: Backoff) -> NoReturn:
        """Subscribe to each systemd that has the name: it takes a new one when it executes itself again."""
        away = backoff.failures > 0
        while True:
            self._owner_changed.clear()
            owned = await self._has_owner()
            if owned and await self._subscribe():
                self._owned.set()
                if away:
                    _log.info("systemd can be reached again")
                backoff.reset()
                self._on_connected()
                await self._owner_changed.wait()
                away = True
                _log.warning("systemd has left the system bus, or executes itself again")
            self._owned.clear()
            await self._await_owner()

    async def _has_owner(self) -> bool:
        """Whether systemd has its name on the bus."""
        return await self._call(_DAEMON, _DAEMON_PATH, _DAEMON, "NameHasOwner", "s", SYSTEMD) == [True]

    async def _subscribe(self) -> bool:
        """Whether systemd, which only signals while somebody has subscribed, took our subscription."""
        try:
            await self._call(SYSTEMD, ROOT, MANAGER, "Subscribe")
        except SystemdRefusedError as error:
            return error.code == "AlreadySubscribed"
        except SystemdAwayError:
            return False
        return True

    async def _await_owner(self) -> None:
        """Wait for news of the name, if there is none yet; after a while ask systemd to come back."""
        try:
            async with asyncio.timeout(_ABSENCE):
                await self._owner_changed.wait()
        except TimeoutError:
            owned = await self._has_owner()
            if not owned and _first_process() == "systemd":
                _log.warning("systemd is not on the system bus; asking it to connect again (SIGUSR1)")
                os.kill(1, signal.SIGUSR1)

    async def _call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: object,
        timeout: float = CALL_TIMEOUT,  # noqa: ASYNC109 - see `call`
    ) -> list[object]:
        message = Message(destination, path, interface, member, signature=signature, body=list(body))
        async with self._slots:
            bus = self._bus
            if bus is None or not bus.connected:
                raise SystemdAwayError(f"cannot call {member}: there is no connection to the system bus")
            try:
                async with asyncio.timeout(timeout):
                    reply = await bus.call(message)
            except TimeoutError as error:
                raise SystemdAwayError(f"{member} was not answered within {timeout:g} seconds") from error
            except (OSError, EOFError, DBusFastError) as error:
                raise SystemdAwayError(f"{member} failed: the system bus is away ({error})") from error
        if reply is None:
            raise SystemdAwayError(f"{member} failed: the system bus closed the connection")
        if reply.message_type is MessageType.ERROR:
            raise _as_error(member, reply)
        return list(reply.body)

    def _received(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "NameOwnerChanged":
            if message.body[:1] == [SYSTEMD]:
                self._owned.clear()
                self._owner_changed.set()
        else:
            self._on_signal(message)


def _first_process() -> str:
    return Path("/proc/1/comm").read_text(encoding="utf-8").strip()


async def _disconnected(bus: _Bus) -> None:
    """Wait until the connection is gone; raises what broke it, nothing if it was closed."""
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast left this one without types


def _as_error(member: str, reply: Message) -> SystemdAwayError | SystemdRefusedError:
    name = reply.error_name or ""
    text = str(reply.body[0]) if reply.body else name
    if name in _AWAY:
        return SystemdAwayError(f"{member} failed: {text}")
    return SystemdRefusedError(text, name.rpartition(".")[2])
