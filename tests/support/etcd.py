"""Real etcd servers for tests: containers of the lab's base image, started by testcontainers."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import tarfile
from typing import TYPE_CHECKING, Any, cast

# Its reaper is an image that cannot be pulled everywhere; containers are removed by who starts them.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

from testcontainers.core.container import DockerContainer, ExecConfig
from testcontainers.core.network import Network

from fleetpy.errors import UnavailableError
from fleetpy_lab.image import ensure_base_image

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from fleetpy.registry.protocol import Registry

_CLIENT_PORT = 2379
_PEER_PORT = 2380
_FILES = "/etc/etcd-test"


class EtcdError(Exception):
    """A command in a container failed."""


def free_port() -> int:
    """A port of loopback that nobody listens on; a container that is started again must keep its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(container: DockerContainer, *command: str, environment: dict[str, str] | None = None) -> str:
    result = container.exec(ExecConfig(list(command), environment=environment))
    output = result.output.decode(errors="replace")
    if result.exit_code:
        raise EtcdError(f"{' '.join(command)}: {output.strip()}")
    return output


async def until_answering(registry: Registry, key: str = "/") -> None:
    """Wait until requests are answered: reads of a key that the user may read."""
    async with asyncio.timeout(30):
        while True:
            try:
                await registry.get(key)
            except UnavailableError:
                await asyncio.sleep(0.1)  # Another process is awaited, which has no event to wait for.
            else:
                return


class EtcdServer:
    """One member in a container, as a context manager; `files` become /etc/etcd-test in it."""

    def __init__(
        self,
        *options: str,
        scheme: str = "http",
        files: Path | None = None,
        in_memory: bool = True,
        port: int = 0,
        backup: bool = False,
    ) -> None:
        """`backup`: begin as /etc/etcd-test/backup.db is restored. A `port` of 0 is a free one."""
        self.port = port or free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._options = options
        self._scheme = scheme
        self._backup = backup
        self.container = DockerContainer(ensure_base_image())
        # The method for this takes no address, though what it writes here may have one.
        cast("dict[str, Any]", self.container.ports)[str(_CLIENT_PORT)] = ("127.0.0.1", self.port)
        if in_memory:
            self.container.with_tmpfs_mount("/data")
        if files is not None:
            self.container.with_volume_mapping(files, _FILES)

    def start(self) -> Self:
        """Start the container; etcd then takes a moment to answer."""
        etcd = [
            "etcd",
            "--data-dir=/data/etcd",
            f"--listen-client-urls={self._scheme}://0.0.0.0:{_CLIENT_PORT}",
            f"--advertise-client-urls={self.url}",
            *self._options,
        ]
        tokens = [option for option in self._options if option.startswith("--initial-cluster-token")]
        restore = f"etcdctl snapshot restore {_FILES}/backup.db --data-dir=/data/etcd {' '.join(tokens)}"
        self.container.with_command(["sh", "-c", f'{restore} && exec "$@"', "sh", *etcd] if self._backup else etcd)
        self.container.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Stop and remove the container."""
        self.container.stop(force=True)

    def etcdctl(self, *arguments: str, user: str = "", endpoints: str = "") -> str:
        """Run `etcdctl` in the container, as `user:password` if given; its output. Raises `EtcdError`."""
        environment = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": endpoints or f"{self._scheme}://127.0.0.1:2379"}
        if user:
            environment["ETCDCTL_USER"] = user
        if self._scheme == "https":
            names = {"CACERT": "ca.pem", "CERT": "server.pem", "KEY": "server.key"}
            environment |= {f"ETCDCTL_{name}": f"{_FILES}/{file}" for name, file in names.items()}
        return _run(self.container, "etcdctl", *arguments, environment=environment)

    def save(self, folder: Path) -> None:
        """Make a backup, `backup.db` in the folder."""
        self.etcdctl("snapshot", "save", "/tmp/backup.db")  # noqa: S108 - the container's own
        chunks, _ = self.container.get_wrapped_container().get_archive("/tmp/backup.db")  # noqa: S108 - likewise
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            saved = tar.extractfile("backup.db")
            if saved is None:
                raise EtcdError("the backup is no file")
            (folder / "backup.db").write_bytes(saved.read())

    def halt(self) -> None:
        """Stop etcd as a host that goes down does."""
        self.container.get_wrapped_container().stop(timeout=10)

    def kill(self) -> None:
        """Kill etcd."""
        self.container.get_wrapped_container().kill()

    def start_again(self) -> None:
        """Start it with the data and the address that it had."""
        self.container.get_wrapped_container().start()

    def freeze(self) -> None:
        """Have it hang: connections stay, and nothing answers."""
        self.container.get_wrapped_container().pause()

    def thaw(self) -> None:
        """Let it go on."""
        self.container.get_wrapped_container().unpause()


class EtcdCluster:
    """Several members on a network of their own, as a context manager."""

    def __init__(self, size: int = 3) -> None:
        self.network = Network()
        names = [f"etcd{number}" for number in range(size)]
        peers = ",".join(f"{name}=http://{name}:{_PEER_PORT}" for name in names)
        self.members = [
            EtcdServer(
                f"--name={name}",
                f"--listen-peer-urls=http://0.0.0.0:{_PEER_PORT}",
                f"--initial-advertise-peer-urls=http://{name}:{_PEER_PORT}",
                f"--initial-cluster={peers}",
                in_memory=False,
            )
            for name in names
        ]
        for name, member in zip(names, self.members, strict=True):
            member.container.with_network(self.network)
            member.container.with_network_aliases(name)
            member.container.with_kwargs(cap_add=["NET_ADMIN"])

    @property
    def urls(self) -> tuple[str, ...]:
        """The members' client addresses."""
        return tuple(member.url for member in self.members)

    def cut_off(self, member: EtcdServer) -> None:
        """Have a member and the others not reach each other; its clients still reach it."""
        for chain in ("INPUT", "OUTPUT"):
            for end in ("--sport", "--dport"):
                _run(member.container, "iptables", "-A", chain, "-p", "tcp", end, str(_PEER_PORT), "-j", "DROP")

    def join_again(self, member: EtcdServer) -> None:
        """Undo `cut_off`."""
        _run(member.container, "iptables", "-F")

    def __enter__(self) -> Self:
        self.network.create()
        for member in self.members:
            member.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members:
            member.remove()
        self.network.remove()
