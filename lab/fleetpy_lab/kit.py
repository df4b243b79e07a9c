"""The kit: a directory with all that makes a Debian machine a host, and that needs no network to be fetched again.

`recipe/host/provision.sh` in it is the one way to make a host: the lab's image is built with it, step by step, and
virtual machines and real ones run it as a whole (vagrant/README.md).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy_lab.errors import LabError
from fleetpy_lab.privilege import last_line
from fleetpy_lab.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECIPE = Path(__file__).parent / "recipe"
HOST = RECIPE / "host"
"""What of the kit is the same whatever the code is: the script, the list of packages, configuration files."""
PYTHON = "3.11"
"""The interpreter of Debian 12: wheels are fetched for it, whatever runs the lab."""
_EXTRAS = ("agent", "scheduler", "api")
_SELF = re.compile(r"fleetpy\[([\w,\s-]+)\]")


def project_root() -> Path:
    """The checkout that this package runs from: hosts get the code that is there. Raises `LabError` elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file() or not (root / "units" / "system").is_dir():
        raise LabError("fleet-lab installs the code of its own checkout on the hosts; run it from one (make setup)")
    return root


def packages() -> list[str]:
    """The Debian packages of a host."""
    return (HOST / "packages").read_text(encoding="utf-8").split()


def requirements(pyproject: str) -> list[str]:
    """What the daemons and fleetctl need, sorted, from the text of pyproject.toml; its own extras are resolved."""
    project = tomllib.loads(pyproject)["project"]
    extras: Mapping[str, list[str]] = project["optional-dependencies"]
    found = set(project["dependencies"])
    waiting = list(_EXTRAS)
    while waiting:
        for requirement in extras[waiting.pop()]:
            own = _SELF.fullmatch(requirement)
            if own:
                waiting += [name.strip() for name in own[1].split(",")]
            else:
                found.add(requirement)
    return sorted(found)


def project_requirements() -> list[str]:
    """The `requirements` of this checkout."""
    return requirements((project_root() / "pyproject.toml").read_text(encoding="utf-8"))


def fetch_wheels(directory: Path, needed: Sequence[str]) -> None:
    """Fetch the wheels of these requirements and of what they need in turn; requirements.txt beside them names them."""
    directory.mkdir(exist_ok=True)
    (directory / "requirements.txt").write_text("".join(f"{requirement}\n" for requirement in needed))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--only-binary=:all:", f"--python-version={PYTHON}", f"--dest={directory}"]
    done = _run([*pip, "download", *options, *needed])
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1] if errors else last_line(done.stderr)
        raise LabError(f"cannot fetch the wheels for the hosts: {reason}")


def build_wheel(directory: Path) -> None:
    """Build fleetpy's own wheel from the code as it is."""
    done = _run(
        [sys.executable, "-m", "hatchling", "build", "--target=wheel", f"--directory={directory}"], project_root()
    )
    if done.returncode != 0:
        raise LabError(f"cannot build fleetpy's wheel: {last_line(done.stderr)}")


def write_kit(directory: Path, progress: Progress | None = None) -> None:
    """Write the whole kit, over an earlier one there, whose SSH keys stay: hosts of both know each other.

    Raises `LabError`.
    """
    progress = progress or Progress()
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("files", "wheels", "fleetpy", "units"):
        shutil.rmtree(directory / name, ignore_errors=True)
    shutil.copytree(HOST, directory, dirs_exist_ok=True)
    shutil.copytree(project_root() / "units" / "system", directory / "units")
    with progress.step("fetching the wheels of fleetpy's dependencies"):
        fetch_wheels(directory / "wheels", project_requirements())
    with progress.step("building fleetpy's wheel"):
        build_wheel(directory / "fleetpy")
    done = _run(["sh", str(directory / "provision.sh"), "keys"])
    if done.returncode != 0:
        raise LabError(f"cannot make the hosts' SSH keys: {last_line(done.stderr)}")


def _run(command: Sequence[str], directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", cwd=directory)
