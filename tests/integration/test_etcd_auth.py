"""etcd with users, passwords and roles; its tokens are forgotten after a second, or three."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from fleetpy.ids import Revision
from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.protocol import Put, RegistryDeniedError
from tests.support.etcd import EtcdServer, until_answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fleetpy.registry.protocol import Registry

ROOT = "root:secret"
FORGOTTEN = 3.5
"""Seconds after which etcd has forgotten a token of one second's life, for which it looks every second, or of three."""


@pytest.fixture(scope="module")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what etcd signs its JSON web tokens with."""
    folder = tmp_path_factory.mktemp("jwt")
    os.chmod(folder, 0o755)  # noqa: PTH101, S103 - etcd in its container reads it
    certificate = trustme.CA().issue_cert("etcd.example.org")
    certificate.private_key_pem.write_to_path(folder / "jwt.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "jwt.pem")
    return folder


@pytest.fixture(scope="module", params=["simple", "jwt"])
def etcd(request: pytest.FixtureRequest, key_pair: Path) -> Iterator[EtcdServer]:
    """With tokens of either kind."""
    options = {
        "simple": ("--auth-token=simple", "--auth-token-ttl=1"),
        "jwt": (
            "--auth-token=jwt,pub-key=/etc/etcd-test/jwt.pem,priv-key=/etc/etcd-test/jwt.key,sign-method=ES256,ttl=3s",
        ),
    }[request.param]
    with EtcdServer(*options, files=key_pair, in_memory=False) as server:
        asyncio.run(_ready(server))
        for command in (
            "user add root:secret",
            "user grant-role root root",
            "role add fleet",
            "role grant-permission fleet --prefix=true readwrite /fleet/",
            "user add fleet:pa55",
            "user grant-role fleet fleet",
            "auth enable",
        ):
            server.etcdctl(*command.split())
        yield server


async def _ready(server: EtcdServer) -> None:
    async with connected(EtcdSettings(endpoints=(server.url,))) as registry:
        await until_answering(registry)


@asynccontextmanager
async def connected(settings: EtcdSettings) -> AsyncIterator[Registry]:
    registry = connect(settings)
    yield registry
    await registry.close()


def settings(etcd: EtcdServer, user: str = "fleet:pa55") -> EtcdSettings:
    username, _, password = user.partition(":")
    return EtcdSettings(endpoints=(etcd.url,), username=username, password=password, request_timeout=5)


async def test_a_user_does_everything_that_its_role_allows(etcd: EtcdServer) -> None:
    async with connected(settings(etcd)) as registry:
        lease = await registry.grant_lease(10)
        revision = await registry.commit([Put("/fleet/a", b"1", lease)])
        assert await registry.get("/fleet/a") is not None
        async with aclosing(registry.watch("/fleet/", start=revision)) as watch:
            assert [event.key for event in (await anext(watch)).events] == ["/fleet/a"]
        assert await registry.renew_lease(lease) == 10
        await registry.revoke_lease(lease)


async def test_a_forgotten_token_is_renewed_without_anybody_noticing(etcd: EtcdServer) -> None:
    async with AsyncExitStack() as stack:
        readers, writers, watchers = [
            [await stack.enter_async_context(connected(settings(etcd))) for _ in range(2)] for _ in range(3)
        ]
        for registry in (*readers, *writers, *watchers):
            await registry.get("/fleet/a")
        await asyncio.sleep(FORGOTTEN)  # What etcd forgets it announces by nothing.
        revision = Revision(0)
        for registry in writers:
            commits = (registry.commit([Put(f"/fleet/{number}", b"")]) for number in range(20))
            revision = max(await asyncio.gather(*commits))
        for registry in readers:
            assert await registry.get("/fleet/0") is not None
        for registry in watchers:
            async with aclosing(registry.watch("/fleet/", start=revision)) as watch:
                assert len((await anext(watch)).events) == 1


async def test_a_watch_outlives_the_token_that_it_began_with(etcd: EtcdServer) -> None:
    async with (
        connected(settings(etcd)) as registry,
        connected(settings(etcd)) as other,
    ):
        revision = (await registry.page("/fleet/")).revision
        async with aclosing(registry.watch("/fleet/", start=Revision(revision + 1))) as watch:
            await registry.commit([Put("/fleet/a", b"1")])
            await anext(watch)
            await asyncio.sleep(FORGOTTEN)
            written = await other.commit([Put("/fleet/a", b"2")])
            assert (await anext(watch)).revision == written


async def test_a_restart_of_etcd_which_forgets_all_tokens_costs_no_request(etcd: EtcdServer) -> None:
    async with connected(settings(etcd)) as registry:
        await registry.commit([Put("/fleet/a", b"1")])
        await asyncio.to_thread(etcd.halt)
        await asyncio.to_thread(etcd.start_again)
        await until_answering(registry, "/fleet/a")
        await registry.commit([Put("/fleet/a", b"2")])


@pytest.mark.parametrize("user", ["fleet:wrong", "nobody:pa55"])
async def test_a_wrong_user_or_password_is_refused_in_words(etcd: EtcdServer, user: str) -> None:
    async with connected(settings(etcd, user)) as registry:
        for _ in range(2):
            with pytest.raises(RegistryDeniedError, match="etcd_password"):
                await registry.get("/fleet/a")
        with pytest.raises(RegistryDeniedError, match="etcd_password"):
            await anext(registry.watch("/fleet/", start=Revision(1)))


async def test_no_user_at_all_is_refused_in_words(etcd: EtcdServer) -> None:
    async with connected(EtcdSettings(endpoints=(etcd.url,), request_timeout=5)) as registry:
        with pytest.raises(RegistryDeniedError, match=r"user name is empty.*etcd_username"):
            await registry.get("/fleet/a")
        with pytest.raises(RegistryDeniedError):
            await registry.commit([Put("/fleet/a", b"")])


async def test_what_the_role_does_not_allow_is_refused_in_words(etcd: EtcdServer) -> None:
    async with connected(settings(etcd)) as registry:
        with pytest.raises(RegistryDeniedError, match="permission denied"):
            await registry.get("/elsewhere")
        with pytest.raises(RegistryDeniedError, match="permission denied"):
            await registry.commit([Put("/elsewhere", b"")])
        with pytest.raises(RegistryDeniedError, match="permission denied"):
            await anext(registry.watch("/elsewhere", start=Revision(1)))


async def test_a_change_of_users_which_voids_all_tokens_costs_no_request(etcd: EtcdServer) -> None:
    async with connected(settings(etcd)) as registry:
        await registry.get("/fleet/a")
        await asyncio.to_thread(etcd.etcdctl, "user", "add", "another:pw", user=ROOT)
        await registry.commit([Put("/fleet/a", b"users changed")])
