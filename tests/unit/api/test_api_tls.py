"""TLS on TCP: whom the API serves there, and what it tells the others; by the real fleetctl, with real certificates."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme

from fleetpy.config import FleetConfig, load_config
from fleetpy.errors import ConfigError
from fleetpy_api.doorman import MAX_AT_THE_DOOR
from fleetpy_api.listen import open_socket
from fleetpy_api.server import Server
from fleetpy_api.tls import server_context
from tests.support.process import FLEET_API, notifications, running, wait_for
from tests.unit.api.harness import M1, SLEEP, Cluster, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FLEETCTL = str(Path(sys.executable).with_name("fleetctl"))


@dataclass(frozen=True)
class Pem:
    """Files: an authority, who it has signed, and somebody whom another has."""

    folder: Path

    def write(self, name: str, signer: trustme.CA, identity: str) -> None:
        issued = signer.issue_cert(identity)
        (self.folder / f"{name}.pem").write_bytes(issued.cert_chain_pems[0].bytes())
        (self.folder / f"{name}.key").write_bytes(issued.private_key_pem.bytes())

    def config(self, *, clients: bool) -> FleetConfig:
        return FleetConfig(
            api_certfile=str(self.folder / "api.pem"),
            api_keyfile=str(self.folder / "api.key"),
            api_cafile=str(self.folder / "ca.pem") if clients else "",
        )

    def identity(self, name: str) -> list[str]:
        """Options of fleetctl's."""
        return [f"--cert-file={self.folder}/{name}.pem", f"--key-file={self.folder}/{name}.key"]


@pytest.fixture
def pem(tmp_path: Path) -> Pem:
    authority, files = trustme.CA(), Pem(tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    files.write("api", authority, "127.0.0.1")
    files.write("alice", authority, "alice.example.com")
    files.write("mallory", trustme.CA(), "mallory.example.com")
    return files


@asynccontextmanager
async def encrypted(pem: Pem, *, clients: bool) -> AsyncIterator[tuple[Cluster, int]]:
    """A cluster's API on a port of loopback, with TLS; whether clients are to show a certificate."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with serving() as cluster, asyncio.TaskGroup() as group:
        tls = server_context(pem.config(clients=clients))
        server = Server(cluster.api.front, ending=cluster.api.streams.end, tls=tls)
        group.create_task(server.run_on([listener]))
        yield cluster, port
        server.stop()


async def fleetctl(*arguments: str) -> tuple[int, str]:
    """Its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        FLEETCTL, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_fleetctl_speaks_tls_with_an_api_that_it_trusts(pem: Pem) -> None:
    async with encrypted(pem, clients=False) as (cluster, port):
        await cluster.join(M1)
        endpoint = f"--endpoint=https://127.0.0.1:{port}"
        assert await fleetctl(endpoint, f"--ca-file={pem.folder}/ca.pem", "list-machines", "--no-legend") == (
            0,
            f"{M1[:8]}...\t10.0.0.1\t-\n",
        )
        code, said = await fleetctl(endpoint, "list-machines")
        assert (code, "is not to be trusted" in said, "--ca-file" in said) == (1, True, True)


async def test_clients_show_certificates_and_are_known_by_them(pem: Pem) -> None:
    async with encrypted(pem, clients=True) as (cluster, port):
        options = [f"--endpoint=https://127.0.0.1:{port}", f"--ca-file={pem.folder}/ca.pem"]
        (pem.folder / "a.service").write_text("[Service]\nExecStart=/bin/true\n")
        submit = ["submit", str(pem.folder / "a.service")]
        code, said = await fleetctl(*options, *submit)
        assert (code, "serves clients with a certificate alone" in said, "--cert-file" in said) == (1, True, True)
        code, said = await fleetctl(*options, *pem.identity("mallory"), *submit)
        assert (code, len(said.splitlines()), "may not accept the certificate" in said) == (1, 1, True)
        assert cluster.unit("a.service") is None
        assert await fleetctl(*options, *pem.identity("alice"), *submit) == (0, "Unit a.service inactive\n")
        unit = cluster.unit("a.service")
        assert unit is not None
        assert unit.changed_by == "alice.example.com at 127.0.0.1"


async def test_plain_http_is_told_that_tls_is_spoken(pem: Pem) -> None:
    async with encrypted(pem, clients=False) as (_, port):
        async with httpx.AsyncClient() as http:
            answer = await http.put(f"http://127.0.0.1:{port}/fleet/v1/units/a.service", content=b"x" * 100_000)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("TLS is spoken at this address: write https://")
        code, said = await fleetctl(f"--endpoint=http://127.0.0.1:{port}", "list-machines")
        assert (code, "write https://" in said) == (1, True)


async def test_who_says_nothing_or_nonsense_keeps_nobody_waiting(pem: Pem) -> None:
    async with encrypted(pem, clients=True) as (_, port):
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        reader, nonsense = await asyncio.open_connection("127.0.0.1", port)
        nonsense.write(b"\x16nonsense" + b"\0" * 100)
        assert await reader.read() == b""
        _, gone = await asyncio.open_connection("127.0.0.1", port)
        gone.transport.abort()
        options = [f"--endpoint=https://127.0.0.1:{port}", f"--ca-file={pem.folder}/ca.pem", *pem.identity("alice")]
        assert (await fleetctl(*options, "list-units", "--no-legend")) == (0, "")
        for writer in (silent, nonsense):
            writer.close()


async def test_any_number_of_silent_clients_keeps_nobody_out(pem: Pem) -> None:
    async with encrypted(pem, clients=True) as (_, port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_AT_THE_DOOR + 20)]
        options = [f"--endpoint=https://127.0.0.1:{port}", f"--ca-file={pem.folder}/ca.pem", *pem.identity("alice")]
        assert (await fleetctl(*options, "list-units", "--no-legend")) == (0, "")
        assert await silent[0][0].read() == b""
        for _, writer in silent:
            writer.close()


async def test_on_a_unix_socket_nothing_changes(pem: Pem, tmp_path: Path) -> None:
    unix, tcp = open_socket(tmp_path / "s"), socket.create_server(("127.0.0.1", 0))
    endpoint = f"https://127.0.0.1:{tcp.getsockname()[1]}"
    trusting = ssl.create_default_context(cafile=pem.folder / "ca.pem")
    async with (
        serving() as cluster,
        httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(tmp_path / "s")), base_url="http://fleet") as one,
        httpx.AsyncClient(verify=trusting, base_url=endpoint) as other,
        asyncio.TaskGroup() as group,
    ):
        server = Server(cluster.api.front, cluster.api.streams.end, server_context(pem.config(clients=False)))
        group.create_task(server.run_on([unix, tcp]))
        body = {"desiredState": "launched", "options": SLEEP}
        assert (await one.put("/fleet/v1/units/a.service", json=body)).status_code == 201
        assert (await other.get("/fleet/v1/units/a.service")).status_code == 200
        server.stop()


def test_a_certificate_that_cannot_be_used_is_named(pem: Pem) -> None:
    conf = pem.folder / "fleet.conf"
    conf.write_text(f"api_certfile={pem.folder}/api.pem\napi_keyfile={pem.folder}/alice.key\n")
    with pytest.raises(ConfigError, match=f"^{conf}:2: api_keyfile: the key in .*alice.key is not that of the cert"):
        server_context(load_config(conf, {}))


def test_a_certificate_that_was_renewed_is_shown_after_a_reload(pem: Pem) -> None:
    conf = pem.folder / "fleet.conf"
    conf.write_text(f"api_certfile={pem.folder}/api.pem\napi_keyfile={pem.folder}/api.key\n")
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        notifications(pem.folder / "notify") as manager,
        running([*FLEET_API, "--config", str(conf)], manager, listener) as process,
    ):

        def shown() -> bytes:
            return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(listener.getsockname()))

        def on_disk() -> bytes:
            return ssl.PEM_cert_to_DER_cert((pem.folder / "api.pem").read_text())

        before = on_disk()
        assert shown() == before
        pem.write("api", trustme.CA(), "127.0.0.1")
        assert shown() == before
        process.send_signal(signal.SIGHUP)
        assert wait_for(manager, "RELOADING=1")
        assert wait_for(manager, "READY=1")
        assert shown() == on_disk() != before
