"""Doing what only root may: directly as root, with `sudo` otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from fleetpy_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetpy_lab.progress import Progress


def root_command(command: Sequence[str], purpose: str) -> list[str]:
    """The command line that runs `command` as root.

    Raises `LabError` where that takes a password or there is no sudo: a lab never asks for passwords.
    """
    if os.geteuid() == 0:
        return list(command)
    sudo = shutil.which("sudo")
    if sudo is None:
        raise LabError(f"cannot {purpose}: it takes root, and there is no sudo; run this once as root")
    # `sudo -n true` rather than the command itself, so that a refusal is told from the command's own failure.
    if subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode != 0:
        raise LabError(f"cannot {purpose}: sudo wants a password; run `sudo -v` first, or this once as root")
    return [sudo, "-n", *command]


def install_packages(packages: Sequence[str], purpose: str, progress: Progress) -> None:
    """Install Debian packages; raises `LabError`, which says what is missing and how to get it."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise LabError(f"cannot {purpose}: {names} not found, and this is no Debian; install {names} and try again")
    progress.say(f"installing {names} with apt-get, to {purpose}")
    noninteractive = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    install = [*noninteractive, "install", "--yes", "--no-install-recommends", *packages]
    command = root_command(install, f"install {names}")
    done = _run(command)
    if done.returncode != 0:
        # The usual cause on a fresh machine: package lists that are missing or old.
        progress.say("refreshing the package lists with apt-get update, and trying again")
        _run(root_command([*noninteractive, "update"], "refresh the package lists"))
        done = _run(command)
    if done.returncode != 0:
        raise LabError(f"cannot {purpose}: apt-get install {names} failed: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """The last line that says something; often the reason of a failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"


def _run(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", env=env)
