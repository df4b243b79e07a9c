"""Command lines for the system's own OpenSSH: the user's agent, `~/.ssh/config` and jump hosts work as they always do.

Only what fleetctl was told is said to ssh; the rest is left to the user's configuration. What the options mean is in
ssh(1) and ssh_config(5).
"""

from __future__ import annotations

import math
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetpy_cli.session import Session

_PR_SET_PDEATHSIG = 1

SSH_FAILED = 255
"""What ssh exits with when it is ssh itself that failed (ssh(1), EXIT STATUS)."""

_DESTINATION = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^-@\[\]:\s][^@\[\]:\s]*))(?::(?P<port>[0-9]+))?"
)
_BARE_V6 = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*)")
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Destination:
    """A host to get to by SSH; `port` None is the one that OpenSSH is configured to take, 22."""

    user: str
    host: str
    port: int | None = None

    def __str__(self) -> str:
        if self.port is None:
            return f"{self.user}@{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}"


def parse_destination(text: str, user: str) -> Destination:
    """Read `[USER@]HOST[:PORT]`, an IPv6 address with a port in brackets; raises `UsageError`."""
    found = _BARE_V6.fullmatch(text)
    if found:
        return Destination(found["user"] or user, found["host"])
    found = _DESTINATION.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no host for SSH; write HOST, HOST:PORT or USER@HOST")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise UsageError(f"{text!r} has the port {port}, which there is not; ports are 1 to {_LAST_PORT}")
    return Destination(found["user"] or user, found["v6"] or found["host"], port)


class OpenSSH:
    """Makes command lines of ssh, as a session's options have it."""

    def __init__(self, session: Session) -> None:
        self._options = _options(session)

    def command(self, to: Destination, *options: str, remote: Sequence[str] = ()) -> list[str]:
        """The command line that gets to a host with further options, and runs `remote` there, by the user's shell."""
        port = [] if to.port is None else ["-p", str(to.port)]
        return ["ssh", *self._options, "-l", to.user, *port, *options, "--", to.host, *remote]


def run(session: Session, argv: Sequence[str]) -> int:
    """Run a program with our own input and outputs; gives its exit code, 128 and the signal's number for a signal.

    Ctrl-C is the program's: it gets it too, and ends as it likes; SIGTERM is passed on to it, and if we are killed it
    gets SIGTERM (on Linux). Raises `UnavailableError` for a program that there is not.
    """
    told(session, argv)
    try:
        process = subprocess.Popen(argv, preexec_fn=_ending_with_us())  # noqa: S603, PLW1509 - no shell, words of ours
    except OSError as error:
        raise missing(argv[0], error) from error
    ended_by: list[int] = []

    def end(number: int, _frame: object) -> None:
        ended_by.append(number)
        process.terminate()

    before = signal.signal(signal.SIGTERM, end)
    try:
        code = _end_of(process)
    finally:
        signal.signal(signal.SIGTERM, before)
    if ended_by:
        return 128 + ended_by[0]  # whatever the program made of it
    return code if code >= 0 else 128 - code


def _ending_with_us() -> Callable[[], None] | None:
    """What a child runs before its program so that it gets SIGTERM when we end (PR_SET_PDEATHSIG in prctl(2))."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - few commands run programs

    prctl = ctypes.CDLL(None).prctl  # found here: between fork and exec, as little as can be is done

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))

    return ask


def _end_of(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def told(session: Session, argv: Sequence[str]) -> None:
    """With --debug, say what is about to be run."""
    if session.debug:
        session.output.note(f"+ {shlex.join(argv)}")


def missing(program: str, error: OSError) -> UnavailableError:
    """What to say when a program cannot be run."""
    advice = "; install OpenSSH's client" if program == "ssh" else ""
    return UnavailableError(f"the program {program} cannot be run here: {error.strerror}{advice}")


def _options(session: Session) -> list[str]:
    options = [f"ConnectTimeout={math.ceil(session.ssh_timeout)}"]
    if session.strict_host_key_checking is False:
        options += [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",  # or it warns each time that it has just learnt to know the host
        ]
    else:
        if session.strict_host_key_checking:
            options.append("StrictHostKeyChecking=ask")
        if session.known_hosts_file is not None:
            options.append(f"UserKnownHostsFile={_known_hosts(session)}")
    return [word for option in options for word in ("-o", option)]


def _known_hosts(session: Session) -> str:
    """The file as ssh_config(5) wants it; its directory is made if it is missing, so that ssh can add to the file."""
    assert session.known_hosts_file is not None  # noqa: S101 - for mypy; asked just before
    file = session.known_hosts_file.expanduser().absolute()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--known-hosts-file {file}: its directory cannot be made: {error.strerror}") from error
    path = str(file).replace("%", "%%")
    return f'"{path}"' if " " in path else path
