"""Running commands on a host, and waiting until a host is up."""

from __future__ import annotations

import operator
import subprocess
import time
from typing import TYPE_CHECKING

from docker.errors import APIError
from tenacity import RetryError, Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from fleetpy_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import docker

    from fleetpy_lab.host import Host

_POLL = 0.1
_GRACE = 2
"""Seconds from SIGTERM to SIGKILL for a command that takes too long."""
_TIMED_OUT = 124
"""What timeout(1) exits with."""
_KILLED_LATE = 137
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
"""What a command on a host finds in its environment, beside what the host's container was given."""


class CommandFailedError(LabError):
    """A command on a host failed, or took too long; `completed` is what it left."""

    def __init__(self, message: str, completed: subprocess.CompletedProcess[str]) -> None:
        super().__init__(message)
        self.completed = completed


def run_on(
    client: docker.DockerClient,
    host: Host,
    command: Sequence[str],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as root on a host, for at most `timeout` seconds.

    It is put into the host's namespaces by nsenter(1), not by `docker exec`: on a busy machine that one now and then
    loses all that a command has printed, and says that it went well.

    Raises `LabError` if it cannot be run (the host is dead or paused) and `CommandFailedError` when the time is up.
    """
    try:
        container = client.api.inspect_container(host.container)
    except APIError as error:
        raise LabError(f"cannot run {command[0]} on {host.name}: {error.explanation or error}") from error
    state = container["State"]
    if not state["Running"] or state["Paused"]:
        raise LabError(f"cannot run {command[0]} on {host.name}: it is {state['Status']}")
    own = dict(pair.split("=", 1) for pair in container["Config"]["Env"])
    bounded = ["timeout", f"--kill-after={_GRACE}", f"{timeout:g}", *command]
    began = time.monotonic()
    ended = subprocess.run(
        ["/usr/bin/nsenter", f"--target={state['Pid']}", "--all", "--", *bounded],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**_ENVIRONMENT, **own, **(environment or {})},
    )
    completed = subprocess.CompletedProcess(
        list(command),
        _KILLED_LATE if ended.returncode < 0 else ended.returncode,
        ended.stdout.decode(errors="replace"),
        ended.stderr.decode(errors="replace"),
    )
    if completed.returncode in (_TIMED_OUT, _KILLED_LATE) and time.monotonic() - began >= timeout:
        raise CommandFailedError(f"{' '.join(command)} on {host.name} did not end within {timeout:g} s", completed)
    return completed


def wait_until(condition: Callable[[], object], timeout: float, what: str) -> None:
    """Ask again and again until `condition` gives something true; raises `LabError` after `timeout` seconds.

    A `LabError` that the condition raises counts as not yet; the last one is part of the message.
    """
    asking = Retrying(
        retry=retry_if_exception_type(LabError) | retry_if_result(operator.not_),
        stop=stop_after_delay(timeout),
        wait=wait_fixed(_POLL),
    )
    try:
        asking(condition)
    except RetryError as given_up:
        last = given_up.last_attempt.exception()
        raise LabError(f"{what}: not within {timeout:g} s{f': {last}' if last else ''}") from last
