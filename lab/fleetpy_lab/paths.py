"""Where the lab keeps things outside of Docker, and how two of its processes keep out of each other's way.

Following the XDG base directory specification: caches that can be made again, and the state of each lab (its sockets
and its SSH key). What hosts a lab has is not kept here: Docker knows that, by labels.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpy_lab.progress import Progress


def cache_dir() -> Path:
    """Where downloads are kept; made if it is missing."""
    return _made("XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """Where the engine's log and each lab's directory are; made if it is missing."""
    return _made("XDG_STATE_HOME", ".local/state")


def lab_dir(name: str) -> Path:
    """The directory of the lab of that name; not made here."""
    return state_dir() / "labs" / name


def _made(variable: str, default: str) -> Path:
    base = os.environ.get(variable) or Path.home() / default
    directory = Path(base) / "fleet-lab"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def locked(name: str, progress: Progress) -> Iterator[None]:
    """Hold the lock of that name among this user's processes; says so when it has to wait."""
    with (cache_dir() / f"{name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"waiting for another fleet-lab that holds the lock {file.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
