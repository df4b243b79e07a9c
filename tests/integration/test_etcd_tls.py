"""etcd that speaks TLS and asks for client certificates."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme

from fleetpy.errors import ConfigError, UnavailableError
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.protocol import Put, RegistryDeniedError
from fleetpy.registry.view import View
from tests.support.etcd import EtcdServer, until_answering
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fleetpy.registry.protocol import Registry

_IN_CONTAINER = "/etc/etcd-test"


def write_server(authority: trustme.CA, folder: Path) -> None:
    """The files of a server whose certificate, and whose clients' certificates, are this authority's."""
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")


def write_client(
    authority: trustme.CA, folder: Path, *, trusted: trustme.CA | None = None, until: datetime | None = None
) -> None:
    """The files of a client of this authority, which trusts another one's servers, if one is given."""
    certificate = authority.issue_cert("fleet@example.org", common_name="fleet", not_after=until)
    (trusted or authority).cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "client.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "client.pem")


def settings(server: EtcdServer | Proxy, folder: Path, *, certificate: bool = True) -> EtcdSettings:
    return EtcdSettings(
        endpoints=(server.url,),
        ca_file=str(folder / "ca.pem"),
        cert_file=str(folder / "client.pem") if certificate else "",
        key_file=str(folder / "client.key") if certificate else "",
        request_timeout=5,
    )


@asynccontextmanager
async def connected(settings: EtcdSettings) -> AsyncIterator[Registry]:
    registry = connect(settings)
    yield registry
    await registry.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("server")
    os.chmod(folder, 0o755)  # noqa: PTH101, S103 - etcd in its container reads it
    write_server(authority, folder)
    return folder


def secured(files: Path) -> EtcdServer:
    """An etcd that asks for certificates, with these files of its own."""
    options = (
        "--client-cert-auth",
        f"--trusted-ca-file={_IN_CONTAINER}/ca.pem",
        f"--cert-file={_IN_CONTAINER}/server.pem",
        f"--key-file={_IN_CONTAINER}/server.key",
    )
    return EtcdServer(*options, scheme="https", files=files, in_memory=False)


@pytest.fixture(scope="module")
def etcd(server_files: Path) -> Iterator[EtcdServer]:
    with secured(server_files) as server:
        yield server


@pytest.fixture
async def client_files(etcd: EtcdServer, authority: trustme.CA, tmp_path: Path) -> Path:
    """The files of a client that etcd takes; etcd answers by then."""
    write_client(authority, tmp_path)
    async with connected(settings(etcd, tmp_path)) as registry:
        await until_answering(registry)
    return tmp_path


async def test_a_client_with_a_certificate_reads_writes_and_watches(etcd: EtcdServer, client_files: Path) -> None:
    async with connected(settings(etcd, client_files)) as registry:
        revision = await registry.commit([Put("/tls/a", b"1")])
        watch = registry.watch("/tls/", start=revision)
        assert [event.key for event in (await anext(watch)).events] == ["/tls/a"]
        await watch.aclose()
        assert await registry.renew_lease(await registry.grant_lease(10)) == 10


async def test_a_client_without_a_certificate_is_refused_in_words(etcd: EtcdServer, client_files: Path) -> None:
    async with connected(settings(etcd, client_files, certificate=False)) as registry:
        with pytest.raises(UnavailableError, match="etcd_certfile"):
            await registry.get("/tls/a")


async def test_a_client_of_another_authority_is_refused_in_words(
    etcd: EtcdServer, client_files: Path, authority: trustme.CA
) -> None:
    write_client(trustme.CA(), client_files, trusted=authority)
    async with connected(settings(etcd, client_files)) as registry:
        with pytest.raises(UnavailableError, match="etcd_certfile"):
            await registry.get("/tls/a")


async def test_a_server_of_another_authority_is_not_trusted(
    etcd: EtcdServer, client_files: Path, authority: trustme.CA
) -> None:
    write_client(authority, client_files, trusted=trustme.CA())
    async with connected(settings(etcd, client_files)) as registry:
        with pytest.raises(RegistryDeniedError, match="etcd_cafile"):
            await registry.get("/tls/a")


@pytest.mark.usefixtures("client_files")
async def test_a_client_that_does_not_speak_tls_is_told_so(etcd: EtcdServer) -> None:
    plain = EtcdSettings(endpoints=(etcd.url.replace("https:", "http:"),))
    async with connected(plain) as registry:
        with pytest.raises(UnavailableError, match="https://"):
            await registry.get("/tls/a")


async def test_a_file_that_is_missing_is_named(etcd: EtcdServer, client_files: Path) -> None:
    (client_files / "client.key").unlink()
    async with connected(settings(etcd, client_files)) as registry:
        with pytest.raises(UnavailableError, match=r"client\.key.*No such file"):
            await registry.get("/tls/a")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"cert_file": "c.pem"}, "is a pair"),
        ({"ca_file": "ca.pem", "endpoints": ("http://127.0.0.1:1",)}, "does not start with https://"),
        ({"endpoints": ()}, "no etcd endpoint"),
        ({"endpoints": ("127.0.0.1:2379",)}, "is no etcd endpoint"),
        ({"request_timeout": 0.0}, "give it more"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        EtcdSettings(**given)  # type: ignore[arg-type]


async def test_who_is_connected_when_users_are_introduced_says_who_it_is_from_then_on(
    server_files: Path, authority: trustme.CA, tmp_path: Path
) -> None:
    """Without a token etcd goes by the name in the certificate, which it knows nothing of."""
    write_client(authority, tmp_path)
    with secured(server_files) as server:
        known = replace(settings(server, tmp_path), username="agent", password="pa55")
        async with connected(known) as registry:
            await until_answering(registry)
            await registry.commit([Put("/tls/a", b"1")])
            for command in (
                "user add root:secret",
                "user grant-role root root",
                "role add fleet",
                "role grant-permission fleet --prefix=true readwrite /tls/",
                "user add agent:pa55",
                "user grant-role agent fleet",
                "auth enable",
            ):
                await asyncio.to_thread(server.etcdctl, *command.split())
            revision = await registry.commit([Put("/tls/a", b"2")])
            async with aclosing(registry.watch("/tls/", start=revision)) as watch:
                assert [event.key for event in (await anext(watch)).events] == ["/tls/a"]
            with pytest.raises(RegistryDeniedError, match="permission denied"):
                await registry.get("/elsewhere")


async def for_ever(registry: Registry) -> None:
    while True:
        await registry.get("/tls/a")


async def test_a_certificate_that_was_renewed_on_disk_is_used_when_the_old_one_has_expired(
    etcd: EtcdServer, client_files: Path, authority: trustme.CA
) -> None:
    """A connection outlives its certificate; the next one is made with what is on the disk by then."""
    loop = asyncio.get_running_loop()
    write_client(authority, client_files, until=datetime.now(UTC) + timedelta(seconds=6))
    expired = loop.time() + 7
    async with Proxy(etcd.port, scheme="https") as proxy, connected(settings(proxy, client_files)) as registry:
        revision = await registry.commit([Put("/tls/a", b"before")])
        view: View[str] = View(registry, "/tls/", lambda entry: entry.value.decode())
        async with asyncio.TaskGroup() as group:
            following = group.create_task(view.run())
            await view.at_least(revision)
            lease = await registry.grant_lease(60)
            await asyncio.sleep(expired - loop.time())  # Nothing tells that a certificate has expired.
            await registry.commit([Put("/tls/a", b"expired")])
            proxy.cut()
            with pytest.raises(UnavailableError, match="etcd_certfile"):
                await for_ever(registry)
            write_client(authority, client_files)
            await until_answering(registry)
            revision = await registry.commit([Put("/tls/a", b"after", lease)])
            async with asyncio.timeout(10):
                await view.at_least(revision)
            assert view.entries["/tls/a"] == "after"
            assert await registry.renew_lease(lease) == 60
            following.cancel()


async def test_renewed_certificates_come_into_use_with_the_next_connection(
    etcd: EtcdServer, client_files: Path, server_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The whole authority is replaced, on the server and then on disk of a client that goes on running."""
    kept = tmp_path_factory.mktemp("kept")
    shutil.copytree(server_files, kept, dirs_exist_ok=True)
    renewed = trustme.CA()
    async with connected(settings(etcd, client_files)) as registry:
        await registry.commit([Put("/tls/a", b"1")])
        write_server(renewed, server_files)
        await asyncio.to_thread(etcd.halt)
        await asyncio.to_thread(etcd.start_again)
        with pytest.raises(UnavailableError):
            await registry.get("/tls/a")
        write_client(renewed, client_files)
        await until_answering(registry)
        assert await registry.get("/tls/a") is not None
    shutil.copytree(kept, server_files, dirs_exist_ok=True)
    await asyncio.to_thread(etcd.halt)
    await asyncio.to_thread(etcd.start_again)
