"""The base image: Debian with systemd, etcd and what a fleet host needs, built here and cached.

It is always built by debootstrap from this machine's own Debian mirror, never pulled: a lab then needs no image
registry, and there is one way to build it, which every `make test` walks. The tag carries a digest of the recipe, so
that an image is built once for each recipe, some 70 seconds, and a changed recipe never meets an old image.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import ImageNotFound

from fleetpy_lab.debian import system_mirror
from fleetpy_lab.engine import ensure_engine
from fleetpy_lab.errors import LabError
from fleetpy_lab.kit import RECIPE, packages
from fleetpy_lab.paths import cache_dir, locked
from fleetpy_lab.privilege import install_packages, last_line, root_command
from fleetpy_lab.progress import Progress

if TYPE_CHECKING:
    import docker

_SCRIPT = RECIPE / "container" / "rootfs.sh"
IMAGE_LABEL = "org.fleetpy.lab.image"
"""On every image of the lab: its kind, which is the last part of its name."""

SUITE = "bookworm"


def _digest() -> str:
    recipe = hashlib.sha256(_SCRIPT.read_bytes())
    recipe.update(json.dumps([SUITE, packages()]).encode())
    return recipe.hexdigest()[:12]


BASE_IMAGE = f"fleetpy-lab/base:{SUITE}-{_digest()}"
"""The base image of this recipe."""


def ensure_base_image(client: docker.DockerClient | None = None, progress: Progress | None = None) -> str:
    """`BASE_IMAGE`, built if this engine does not have it yet. Raises `LabError`."""
    progress = progress or Progress()
    client = client or ensure_engine(progress)
    if has_image(client, BASE_IMAGE):
        return BASE_IMAGE
    with locked("base-image", progress):
        if not has_image(client, BASE_IMAGE):
            with progress.step("building the base image", "about a minute, once on this machine"):
                _build(client, progress)
    return BASE_IMAGE


def has_image(client: docker.DockerClient, tag: str) -> bool:
    """Whether the engine has an image of that tag."""
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _build(client: docker.DockerClient, progress: Progress) -> None:
    if shutil.which("debootstrap", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/bin") is None:
        install_packages(["debootstrap"], "build the lab's base image", progress)
    with tempfile.TemporaryDirectory(dir=cache_dir()) as work:
        archive = Path(work) / "rootfs.tar"
        _bootstrap(Path(work), archive, progress)
        progress.detail("importing it into Docker")
        repository, _, tag = BASE_IMAGE.partition(":")
        client.api.import_image(str(archive), repository=repository, tag=tag, changes=[f"LABEL {IMAGE_LABEL}=base"])
    if not has_image(client, BASE_IMAGE):
        raise LabError(f"Docker did not import {BASE_IMAGE}; its own log says why")


def _bootstrap(work: Path, archive: Path, progress: Progress) -> None:
    mirror = system_mirror()
    script = ["sh", str(_SCRIPT), str(work), str(archive), SUITE, ",".join(packages())]
    command = root_command([*script, mirror] if mirror else script, "build the lab's base image")
    lines: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in process.stdout:
            lines.append(line)
            progress.detail(line.strip().removeprefix("I: "))
    if process.returncode != 0:
        errors = [line for line in lines if line.startswith(("E:", "W: Failure"))]
        raise LabError(f"building the lab's base image failed: {last_line(''.join(errors or lines))}")
