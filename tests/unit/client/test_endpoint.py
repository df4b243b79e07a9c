"""Where an API listens, read from what a person types."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetpy.client.endpoint import DEFAULT_ENDPOINT, Endpoint, TLSFiles, parse_endpoint
from fleetpy.client.transport import open_http
from fleetpy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("unix:///run/fleet.sock", Endpoint("unix:///run/fleet.sock", "http://localhost", "/run/fleet.sock")),
        ("file:///run/fleet.sock", Endpoint("file:///run/fleet.sock", "http://localhost", "/run/fleet.sock")),
        ("unix:/run/fleet.sock", Endpoint("unix:/run/fleet.sock", "http://localhost", "/run/fleet.sock")),
        ("http://192.0.2.1:49153", Endpoint("http://192.0.2.1:49153", "http://192.0.2.1:49153")),
        (
            "https://[2001:db8::1]:8443/fleet/",
            Endpoint("https://[2001:db8::1]:8443/fleet/", "https://[2001:db8::1]:8443/fleet"),
        ),
    ],
)
def test_an_endpoint_is_a_socket_or_a_url(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("unix://var/run/fleet.sock", "unix:///var/run/fleet.sock"),
        ("unix:run/fleet.sock", "full path"),
        ("/run/fleet.sock", "unix:///run/fleet.sock"),
        ("192.0.2.1:49153", "http://HOST:PORT"),
        ("localhost:49153", "http://HOST:PORT"),
        ("ftp://192.0.2.1", "http://HOST:PORT"),
        ("http://", "needs a host"),
        ("http://host:0", "needs a host"),
        ("http://host:nine", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http://a:4001,http://b:4001", "one of them"),
        ("", "http://HOST:PORT"),
    ],
)
def test_a_wrong_endpoint_is_told_how_it_is_written(text: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_endpoint(text)
    assert repr(text) in str(raised.value)
    assert says in str(raised.value)


def test_certificates_are_refused_where_they_would_not_be_used() -> None:
    with pytest.raises(UsageError, match="not encrypted"):
        open_http(parse_endpoint("http://192.0.2.1:49153"), TLSFiles(ca=Path("ca.pem")), 1)


def test_certificates_are_of_no_matter_to_a_socket() -> None:
    open_http(parse_endpoint(DEFAULT_ENDPOINT), TLSFiles(ca=Path("ca.pem")), 1).close()


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(UsageError, match="belong together"):
        open_http(parse_endpoint("https://192.0.2.1"), TLSFiles(cert=Path("cert.pem")), 1)


def test_unreadable_certificates_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(UsageError, match=str(missing)):
        open_http(parse_endpoint("https://192.0.2.1"), TLSFiles(ca=missing), 1)
    with pytest.raises(UsageError, match=str(missing)):
        open_http(parse_endpoint("https://192.0.2.1"), TLSFiles(cert=missing, key=missing), 1)
