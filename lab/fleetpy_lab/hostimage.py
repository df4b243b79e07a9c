"""The host image: the base image, fleetpy's dependencies, fleetpy itself, each a layer with a cache of its own.

Wheels are fetched and built outside and installed inside without network, in `/opt/fleetpy`. A change of fleetpy's code
costs only the last layer, some seconds. Tags carry a digest of what went in, so an image is never older than its tag.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError, BuildError

from fleetpy_lab.engine import ensure_engine
from fleetpy_lab.errors import LabError
from fleetpy_lab.image import BASE_IMAGE, IMAGE_LABEL, PYTHON, RECIPE, ensure_base_image, has_image
from fleetpy_lab.paths import cache_dir, locked
from fleetpy_lab.privilege import last_line
from fleetpy_lab.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import docker

_EXTRAS = ("agent", "scheduler", "api")
_CODE = ("fleetpy", "agent", "scheduler", "api", "cli", "units/system", "pyproject.toml")
_KEPT_IMAGES = 3
"""How many images of each kind stay, the newest: another lab may be about to use an earlier one."""
_SELF = re.compile(r"fleetpy\[([\w,\s-]+)\]")


def ensure_host_image(client: docker.DockerClient | None = None, progress: Progress | None = None) -> str:
    """The tag of the host image with the code as it is now, built if need be. Raises `LabError`."""
    progress = progress or Progress()
    client = client or ensure_engine(progress)
    root = project_root()
    ensure_base_image(client, progress)
    dependencies = requirements((root / "pyproject.toml").read_text(encoding="utf-8"))
    lower = f"fleetpy-lab/dependencies:{_dependencies_digest(dependencies)}"
    host = f"fleetpy-lab/host:{_code_digest(root, lower)}"
    if has_image(client, host):
        return host
    with locked("host-image", progress):
        if not has_image(client, lower):
            with progress.step("building the layer of fleetpy's dependencies", "half a minute, until they change"):
                _build_dependencies(client, lower, dependencies, progress)
        if not has_image(client, host):
            with progress.step("building the layer of fleetpy itself", "some seconds, whenever the code has changed"):
                _build_code(client, host, lower, root)
            _remove_old(client)
    return host


def project_root() -> Path:
    """The checkout that this package runs from: hosts get the code that is there. Raises `LabError` elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file() or not (root / "units" / "system").is_dir():
        raise LabError("fleet-lab installs the code of its own checkout on the hosts; run it from one (make setup)")
    return root


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


def _dependencies_digest(dependencies: Iterable[str]) -> str:
    digest = hashlib.sha256("\n".join([BASE_IMAGE, *dependencies]).encode())
    _add_files(digest, RECIPE, [RECIPE / "dependencies.Dockerfile", RECIPE / "prepare.sh", *_files(RECIPE / "files")])
    return digest.hexdigest()[:12]


def _code_digest(root: Path, lower: str) -> str:
    digest = hashlib.sha256(lower.encode())
    _add_files(digest, root, [RECIPE / "host.Dockerfile", *(file for part in _CODE for file in _files(root / part))])
    return digest.hexdigest()[:12]


def _add_files(digest: hashlib._Hash, base: Path, files: Iterable[Path]) -> None:
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(base)} {len(content)}\n".encode())
        digest.update(content)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _build_dependencies(client: docker.DockerClient, tag: str, dependencies: list[str], progress: Progress) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as work:
        wheels = Path(work)
        (wheels / "requirements.txt").write_text("\n".join(dependencies) + "\n")
        progress.detail("fetching wheels")
        _run_pip("download", "--only-binary=:all:", f"--python-version={PYTHON}", f"--dest={wheels}", *dependencies)
        progress.detail("installing them in the image")
        context = _context(
            {
                "Dockerfile": RECIPE / "dependencies.Dockerfile",
                "prepare.sh": RECIPE / "prepare.sh",
                "files": RECIPE / "files",
                "wheels": wheels,
            }
        )
        _build(client, tag, context, {"BASE": BASE_IMAGE}, "dependencies")
    for image in client.images.list(all=True, filters={"label": f"{IMAGE_LABEL}=build"}):
        remove_image(client, str(image.id))


def _run_pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1] if errors else last_line(done.stderr)
        raise LabError(f"cannot fetch the wheels for the hosts: {reason}")


def _build_code(client: docker.DockerClient, tag: str, lower: str, root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as work:
        command = [sys.executable, "-m", "hatchling", "build", "--target=wheel", f"--directory={work}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)
        if done.returncode != 0:
            raise LabError(f"cannot build fleetpy's wheel: {last_line(done.stderr)}")
        context = _context(
            {"Dockerfile": RECIPE / "host.Dockerfile", "wheel": Path(work), "units": root / "units" / "system"}
        )
        _build(client, tag, context, {"DEPENDENCIES": lower}, "host")


def _context(parts: Mapping[str, Path]) -> io.BytesIO:
    """A build context as a tar archive: root's files, with modes that do not depend on the user's umask."""

    def normal(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, path in parts.items():
            tar.add(path, arcname=name, filter=normal)
    archive.seek(0)
    return archive


def _build(client: docker.DockerClient, tag: str, context: io.BytesIO, arguments: dict[str, str], label: str) -> None:
    try:
        client.images.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            buildargs=arguments,
            labels={IMAGE_LABEL: label},
            network_mode="none",
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        output = "".join(str(line.get("stream", "")) for line in error.build_log)
        raise LabError(f"cannot build the image {tag}: {error.msg}: {last_line(output)}") from error
    except APIError as error:
        raise LabError(f"cannot build the image {tag}: {error.explanation or error}") from error


def _remove_old(client: docker.DockerClient) -> None:
    for kind in ("host", "dependencies"):
        for tag in _tags(client, f"{IMAGE_LABEL}={kind}")[_KEPT_IMAGES:]:
            remove_image(client, tag)


def _tags(client: docker.DockerClient, label: str) -> list[str]:
    images = client.images.list(filters={"label": label})
    newest_first = sorted(images, key=lambda image: str(image.attrs["Created"]), reverse=True)
    return [tag for image in newest_first for tag in image.tags]


def remove_images(client: docker.DockerClient) -> list[str]:
    """Remove every image of the lab that no container uses; gives their tags."""
    return [tag for tag in _tags(client, IMAGE_LABEL) if remove_image(client, tag)]


def remove_image(client: docker.DockerClient, image: str) -> bool:
    """Remove an image unless a container uses it or another builds on it; whether it is gone."""
    try:
        client.images.remove(image)
    except APIError:
        return False
    return True
