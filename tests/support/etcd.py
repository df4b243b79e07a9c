"""Real etcd servers for tests: containers of the lab's base image, started by testcontainers."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, cast

# Its reaper is an image that cannot be pulled everywhere; containers are removed by who starts them.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

from testcontainers.core.container import DockerContainer, ExecConfig
from testcontainers.core.network import Network

from fleetpy.errors import UnavailableError
from fleetpy_lab.image import ensure_base_image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from fleetpy.registry.protocol import Registry

_CLIENT_PORT = 2379
_FILES = "/etc/etcd-test"


class EtcdError(Exception):
    """`etcdctl` failed."""


def free_port() -> int:
    """A port of loopback that nobody listens on; a container that is started again must keep its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until_answering(registry: Registry) -> None:
    """Wait until requests are answered."""
    async with asyncio.timeout(30):
        while True:
            try:
                await registry.get("/")
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
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._options = options
        self._etcdctl = dict(environment or {})
        self._scheme = scheme
        self.container = DockerContainer(ensure_base_image())
        # The method for this takes no address, though what it writes here may have one.
        cast("dict[str, Any]", self.container.ports)[str(_CLIENT_PORT)] = ("127.0.0.1", self.port)
        if in_memory:
            self.container.with_tmpfs_mount("/data")
        if files is not None:
            self.container.with_volume_mapping(files, _FILES)

    def start(self) -> Self:
        """Start the container; etcd then takes a moment to answer."""
        self.container.with_command(
            [
                "etcd",
                "--data-dir=/data",
                f"--listen-client-urls={self._scheme}://0.0.0.0:{_CLIENT_PORT}",
                f"--advertise-client-urls={self.url}",
                *self._options,
            ]
        )
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

    def etcdctl(self, *arguments: str) -> str:
        """Run `etcdctl` in the container; its output. Raises `EtcdError`."""
        environment = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": f"{self._scheme}://127.0.0.1:2379", **self._etcdctl}
        result = self.container.exec(ExecConfig(["etcdctl", *arguments], environment=environment))
        output = result.output.decode(errors="replace")
        if result.exit_code:
            raise EtcdError(f"etcdctl {' '.join(arguments)}: {output.strip()}")
        return output

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
        peers = ",".join(f"{name}=http://{name}:2380" for name in names)
        self.members = [
            EtcdServer(
                f"--name={name}",
                "--listen-peer-urls=http://0.0.0.0:2380",
                f"--initial-advertise-peer-urls=http://{name}:2380",
                f"--initial-cluster={peers}",
            )
            for name in names
        ]
        for name, member in zip(names, self.members, strict=True):
            member.container.with_network(self.network)
            member.container.with_network_aliases(name)

    @property
    def urls(self) -> tuple[str, ...]:
        """The members' client addresses."""
        return tuple(member.url for member in self.members)

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
