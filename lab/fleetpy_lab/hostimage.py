"""The host image: the base image, fleetpy's dependencies, fleetpy itself, each a layer with a cache of its own.

Wheels are fetched and built outside and installed inside without network, by the steps of the script that makes any
Debian machine a host (kit.py). A change of fleetpy's code costs only the last layer, some seconds. Hosts with engines
for containers have those in one more layer, below the last. Tags carry a digest of what went in, so an image is never
older than its tag.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError, BuildError

from fleetpy_lab.engine import ensure_engine
from fleetpy_lab.errors import LabError
from fleetpy_lab.image import BASE_IMAGE, IMAGE_LABEL, ensure_base_image, has_image
from fleetpy_lab.kit import HOST, RECIPE, build_wheel, fetch_wheels, project_requirements, project_root
from fleetpy_lab.paths import cache_dir, locked
from fleetpy_lab.privilege import last_line
from fleetpy_lab.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import docker
    from docker.models.images import Image

CONTAINER = RECIPE / "container"
"""What only containers need."""
_DEPENDENCIES_LAYER = ("dependencies.Dockerfile", "prepare.sh", "init.sh")
_ENGINES = RECIPE / "engines"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_CODE = ("fleetpy", "agent", "scheduler", "api", "cli", "units/system", "pyproject.toml")
NEWEST = "latest"
"""Another tag of the host image that was asked for last: what runs hosts without this package needs no digest."""
_KEPT_IMAGES = 3
"""How many images of each kind stay, the newest: another lab may be about to use an earlier one."""


def ensure_host_image(
    client: docker.DockerClient | None = None, progress: Progress | None = None, *, engines: bool = False
) -> str:
    """The tag of the host image with the code as it is now, built if need be; `engines`: for containers inside hosts.

    Raises `LabError`.
    """
    progress = progress or Progress()
    client = client or ensure_engine(progress)
    root = project_root()
    ensure_base_image(client, progress)
    dependencies = project_requirements()
    below = f"fleetpy-lab/dependencies:{_dependencies_digest(dependencies)}"
    lower = f"fleetpy-lab/engines:{_engines_digest(below)}" if engines else below
    name = "fleetpy-lab/host-with-engines" if engines else "fleetpy-lab/host"
    host = f"{name}:{_code_digest(root, lower)}"
    if not has_image(client, host):
        _build_layers(client, below, lower, host, dependencies, progress)
    client.images.get(host).tag(name, NEWEST)
    return host


def _build_layers(
    client: docker.DockerClient, below: str, lower: str, host: str, dependencies: list[str], progress: Progress
) -> None:
    """The dependencies are `below`, and below the host is `lower`: the same, or engines in between."""
    with locked("host-image", progress):
        if not has_image(client, below):
            with progress.step("building the layer of fleetpy's dependencies", "half a minute, until they change"):
                _build_dependencies(client, below, dependencies, progress)
        if not has_image(client, lower):
            with progress.step("building the layer of engines for containers", "half a minute, until that changes"):
                _build_engines(client, lower, below)
        if not has_image(client, host):
            with progress.step("building the layer of fleetpy itself", "some seconds, whenever the code has changed"):
                _build_code(client, host, lower)
            _remove_old(client)


def _dependencies_digest(dependencies: Iterable[str]) -> str:
    digest = hashlib.sha256("\n".join([BASE_IMAGE, *dependencies]).encode())
    _add_files(digest, RECIPE, [*_files(HOST), *(CONTAINER / name for name in _DEPENDENCIES_LAYER)])
    return digest.hexdigest()[:12]


def _engines_digest(lower: str) -> str:
    digest = hashlib.sha256(lower.encode())
    _add_files(digest, _ENGINES, _files(_ENGINES))
    return digest.hexdigest()[:12]


def _code_digest(root: Path, lower: str) -> str:
    digest = hashlib.sha256(lower.encode())
    _add_files(digest, root, [CONTAINER / "host.Dockerfile", *(file for part in _CODE for file in _files(root / part))])
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
        progress.detail("fetching wheels")
        fetch_wheels(Path(work), dependencies)
        progress.detail("installing them in the image")
        context = _context(
            {
                "Dockerfile": CONTAINER / "dependencies.Dockerfile",
                "container/init.sh": CONTAINER / "init.sh",
                "container/prepare.sh": CONTAINER / "prepare.sh",
                "kit/provision.sh": HOST / "provision.sh",
                "kit/files": HOST / "files",
                "kit/wheels": Path(work),
            }
        )
        _build(client, tag, context, {"BASE": BASE_IMAGE})
    for image in client.images.list(all=True, filters={"label": f"{IMAGE_LABEL}=build"}):
        remove_image(client, str(image.id))


def _build_engines(client: docker.DockerClient, tag: str, lower: str) -> None:
    """With the network of this machine, as debootstrap has it: apt inside fetches from the mirror that it used."""
    context = _context({"Dockerfile": _ENGINES / "Dockerfile", "engines": _ENGINES})
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    _build(client, tag, context, {"DEPENDENCIES": lower, **proxies}, network="host")


def _build_code(client: docker.DockerClient, tag: str, lower: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as work:
        build_wheel(Path(work))
        context = _context(
            {
                "Dockerfile": CONTAINER / "host.Dockerfile",
                "kit/fleetpy": Path(work),
                "kit/units": project_root() / "units" / "system",
            }
        )
        _build(client, tag, context, {"DEPENDENCIES": lower})


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


def _build(
    client: docker.DockerClient,
    tag: str,
    context: io.BytesIO,
    arguments: dict[str, str],
    network: str = "none",
) -> None:
    kind = tag.partition(":")[0].removeprefix("fleetpy-lab/")
    try:
        client.images.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            buildargs=arguments,
            labels={IMAGE_LABEL: kind},
            network_mode=network,
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        output = "".join(str(line.get("stream", "")) for line in error.build_log)
        raise LabError(f"cannot build the image {tag}: {error.msg}: {last_line(output)}") from error
    except APIError as error:
        raise LabError(f"cannot build the image {tag}: {error.explanation or error}") from error


def _remove_old(client: docker.DockerClient) -> None:
    for kind in ("host", "host-with-engines", "engines", "dependencies"):
        for image in _newest_first(client, f"{IMAGE_LABEL}={kind}")[_KEPT_IMAGES:]:
            _remove_tags(client, image)


def _newest_first(client: docker.DockerClient, label: str) -> list[Image]:
    images = client.images.list(filters={"label": label})
    return sorted(images, key=lambda image: str(image.attrs["Created"]), reverse=True)


def remove_images(client: docker.DockerClient) -> list[str]:
    """Remove every image of the lab that no container uses; gives their tags."""
    return [tag for image in _newest_first(client, IMAGE_LABEL) for tag in _remove_tags(client, image)]


def _remove_tags(client: docker.DockerClient, image: Image) -> list[str]:
    return [tag for tag in image.tags if remove_image(client, tag)]


def remove_image(client: docker.DockerClient, image: str) -> bool:
    """Remove an image unless a container uses it or another builds on it; whether it is gone."""
    try:
        client.images.remove(image)
    except APIError:
        return False
    return True
