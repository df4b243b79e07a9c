"""What the registry in etcd makes of addresses, versions, keys and errors, without an etcd."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from fleetpy.errors import FleetError, UnavailableError
from fleetpy.registry.etcd.failures import BrokenConnectionError, details_of, translated, unreachable
from fleetpy.registry.etcd.ranges import prefix_range
from fleetpy.registry.etcd.settings import Endpoint, EtcdSettings
from fleetpy.registry.etcd.watch import is_sound
from fleetpy.registry.protocol import RegistryDeniedError, RegistryFullError, RequestTooLargeError


def error(code: grpc.StatusCode, details: str) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details, None)


@pytest.mark.parametrize(
    ("url", "target", "tls", "loopback"),
    [
        ("http://127.0.0.1:2379", "127.0.0.1:2379", False, True),
        ("https://etcd.example.org", "etcd.example.org:2379", True, False),
        ("http://[::1]:4001", "[::1]:4001", False, True),
        ("http://localhost:4001/", "localhost:4001", False, True),
        ("https://10.1.2.3:1", "10.1.2.3:1", True, False),
    ],
)
def test_an_endpoint_is_read(*, url: str, target: str, tls: bool, loopback: bool) -> None:
    assert Endpoint.parse(url) == Endpoint(url, target, tls, loopback)


def test_an_endpoint_that_is_given_twice_counts_once() -> None:
    settings = EtcdSettings(endpoints=("http://a:1", "http://b:1", "http://a:1"))
    assert [endpoint.url for endpoint in settings.parsed] == ["http://a:1", "http://b:1"]


def test_the_password_is_not_shown() -> None:
    assert "pa55" not in repr(EtcdSettings(username="fleet", password="pa55"))


def test_a_lease_is_kept_by_short_requests() -> None:
    assert EtcdSettings(request_timeout=9).hurried(6).request_timeout == 1
    assert EtcdSettings(request_timeout=0.5).hurried(6).request_timeout == 0.5


@pytest.mark.parametrize(
    ("prefix", "inside", "outside"),
    [("/a/", ["/a/", "/a/b", "/a/\U0010ffff"], ["/a", "/a0", "/b/", "/"]), ("/é", ["/é", "/éa"], ["/è", "/ê", "/f"])],
)
def test_a_prefix_is_a_range_of_keys(prefix: str, inside: list[str], outside: list[str]) -> None:
    first, end = prefix_range(prefix)
    assert all(first <= key.encode() < end for key in inside)
    assert not any(first <= key.encode() < end for key in outside)


def test_the_empty_prefix_is_every_key() -> None:
    assert prefix_range("") == (b"\0", b"\0")


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 4, 0), False),
        ((3, 4, 24), False),
        ((3, 4, 25), True),
        ((3, 5, 0), False),
        ((3, 5, 7), False),
        ((3, 5, 8), True),
        ((3, 6, 0), True),
        ((4, 0), True),
        ((), False),
    ],
)
def test_progress_is_requested_of_versions_that_tell_it_truly(*, version: tuple[int, ...], sound: bool) -> None:
    assert is_sound(version) is sound


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), UnavailableError, "within 2 s"),
        (error(grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader"), UnavailableError, "no leader"),
        (
            error(grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"),
            RegistryFullError,
            "defrag",
        ),
        (error(grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests"), UnavailableError, "too many"),
        (
            error(grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large"),
            RequestTooLargeError,
            "max-request-bytes",
        ),
        (
            error(grpc.StatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (3000000 vs. 2097152)"),
            RequestTooLargeError,
            "max-request-bytes",
        ),
        (error(grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied"), RegistryDeniedError, "role"),
        (
            error(grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password"),
            RegistryDeniedError,
            "etcd_password",
        ),
        (BrokenConnectionError(), UnavailableError, "stopped answering"),
    ],
)
def test_an_error_names_the_member_and_what_to_do(
    raised: AioRpcError | BrokenConnectionError, kind: type[FleetError], words: str
) -> None:
    failure = translated(raised, "http://etcd:2379", 2.0)
    assert type(failure) is kind
    assert "http://etcd:2379" in str(failure)
    assert words in str(failure)


def test_grpcs_wrapping_is_taken_off() -> None:
    wrapped = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused"
    assert details_of(error(grpc.StatusCode.UNAVAILABLE, wrapped)) == "Connection refused"


@pytest.mark.parametrize(
    ("url", "reason", "kind", "words"),
    [
        ("http://a:1", "Socket closed", UnavailableError, "write https://"),
        ("https://a:1", "recvmsg:Connection reset by peer", UnavailableError, "etcd_certfile"),
        ("https://a:1", "Unwrap failed (TSI_DATA_CORRUPTED)", RegistryDeniedError, "etcd_certfile"),
        ("https://a:1", "CERTIFICATE_VERIFY_FAILED", RegistryDeniedError, "etcd_cafile"),
        ("http://a:1", "Connection refused", UnavailableError, "http://a:1: Connection refused"),
    ],
)
def test_a_member_out_of_reach_comes_with_a_hint(url: str, reason: str, kind: type[FleetError], words: str) -> None:
    failure = unreachable(reason, Endpoint.parse(url))
    assert type(failure) is kind
    assert words in str(failure)
