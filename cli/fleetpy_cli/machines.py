"""The cluster's machines as a command line names them, and programs run on them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy.errors import UnavailableError, UserError
from fleetpy_cli.legend import machine_legend
from fleetpy_cli.openssh import SSH_FAILED, Destination, OpenSSH, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fleetpy.schemas.fleetpy_v1 import MachineStatus
    from fleetpy_cli.session import Session

MACHINE_ID = Path("/etc/machine-id")
"""Who this host is (machine-id(5))."""


class AmbiguousMachineError(UserError):
    """The beginning of an id that several machines' ids have."""


def find_machine(machines: Iterable[MachineStatus], text: str) -> MachineStatus | None:
    """The machine whose id begins like that; also as lists show it, with dots, or by its host name or address.

    Raises `AmbiguousMachineError` with all that it could be.
    """
    listed = list(machines)
    beginning = text.rstrip(".").lower()
    found = [machine for machine in listed if beginning and machine.id.startswith(beginning)]
    found = found or [machine for machine in listed if text in (machine.hostname, machine.primaryIP)]
    if len(found) > 1:
        names = ", ".join(f"{machine.id}/{machine.primaryIP}" for machine in found)
        raise AmbiguousMachineError(f"{text!r} could be any of these machines: {names}; give more digits of the id")
    return found[0] if found else None


class Runner:
    """Runs programs on machines: by SSH, or right here if the machine is this host."""

    def __init__(self, session: Session, machines: Iterable[MachineStatus], port: int | None = None) -> None:
        self._session = session
        self._machines = {machine.id: machine for machine in machines}
        self._port = port

    def legend(self, machine: str) -> str:
        """A machine as output speaks of it."""
        known = self._machines.get(machine)
        return machine_legend(machine, known.primaryIP if known else "")

    def run_on(self, machine: str, command: Sequence[str]) -> int:
        """Run a program on a machine; gives its exit code."""
        if machine == local_machine():
            return run(self._session, command)
        # On a terminal ssh would say below the output that the connection is closed.
        options = ("-o", "LogLevel=ERROR") if _on_terminal() else ()
        return self.ssh(machine, [shlex.join(command)], *options)

    def ssh(self, machine: str, words: Sequence[str], *options: str) -> int:
        """Run words by the shell of a machine's user, or that shell itself; gives the exit code.

        Raises `UnavailableError` for a machine that is not in the cluster, or has no address.
        """
        destination = self._destination(machine)
        if words and _on_terminal():
            options = ("-t", *options)
        if self._session.tunnel:
            from fleetpy_cli.tunnel import tunnel_of  # noqa: PLC0415 - most runs go the direct way

            options = ("-o", tunnel_of(self._session).proxy_option(), *options)
        code = run(self._session, OpenSSH(self._session).command(destination, *options, remote=words))
        if code == SSH_FAILED:
            self._session.output.error(
                f"ssh to {destination} ended with {SSH_FAILED}: if it could not connect, it said why; --ssh-username, "
                "--ssh-port and --tunnel say how to get there"
            )
        return code

    def _destination(self, machine: str) -> Destination:
        known = self._machines.get(machine)
        if known is None:
            raise UnavailableError(f"machine {machine} is not in the cluster now; list-machines shows those that are")
        if not known.primaryIP:
            raise UnavailableError(f"machine {machine} has published no address; set public_ip in its fleet.conf")
        return Destination(self._session.ssh_username, known.primaryIP, self._port)


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def local_machine() -> str | None:
    """This host's machine id; None if it has none."""
    try:
        return MACHINE_ID.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
