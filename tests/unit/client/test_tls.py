"""TLS: who is trusted, and what is said when somebody is not."""

from __future__ import annotations

import gc
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from fleetpy.client.client import FleetClient
from fleetpy.client.endpoint import TLSFiles
from fleetpy.client.errors import ApiDistrustError
from fleetpy.errors import UsageError
from tests.support.fake_fleetd import M1, M2, FakeFleetd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # httpcore's, of failed handshakes


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> TLSFiles:
    """What a client has that is trusted, and trusts."""
    folder = tmp_path_factory.mktemp("tls")
    ours = authority.issue_cert("fleetctl@example.com")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    ours.private_key_pem.write_to_path(str(folder / "key.pem"))
    ours.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    return TLSFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


@pytest.fixture
def endpoint(authority: trustme.CA) -> Iterator[str]:
    """A server that asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 refuses a client after its handshake, which may get lost
    with FakeFleetd().serving_tls(context) as endpoint:
        yield endpoint


def machines(endpoint: str, files: TLSFiles) -> list[str]:
    with FleetClient(endpoint, files) as client:
        return [machine.id for machine in client.machines().machines]


def test_each_side_shows_its_certificate(endpoint: str, files: TLSFiles) -> None:
    assert machines(endpoint, files) == sorted([M1, M2])


def test_a_server_of_an_unknown_authority_is_not_trusted(endpoint: str) -> None:
    with pytest.raises(ApiDistrustError, match=r"certificate of https://.* is not to be trusted"):
        machines(endpoint, TLSFiles())


def test_a_client_without_a_certificate_is_told_that_one_is_asked_for(endpoint: str, files: TLSFiles) -> None:
    with pytest.raises(ApiDistrustError, match=r"TLS with https://127\.0\.0\.1:\d+ failed"):
        machines(endpoint, TLSFiles(ca=files.ca))


def test_a_key_that_is_not_the_certificate_s_is_refused(endpoint: str, files: TLSFiles, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("other@example.com").private_key_pem.write_to_path(str(other))
    with pytest.raises(UsageError, match=f"key {other} cannot be used"):
        machines(endpoint, TLSFiles(files.ca, files.cert, other))
