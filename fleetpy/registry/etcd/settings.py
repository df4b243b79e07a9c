"""Where etcd is, and how we show who we are."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import grpc

from fleetpy.errors import ConfigError, UnavailableError

_DEFAULT_PORT = 2379


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One member's client address."""

    url: str
    target: str
    """`host:port`, as gRPC has it."""
    tls: bool
    loopback: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `http://host:port` or `https://host:port`; raises `ConfigError`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _DEFAULT_PORT
        except ValueError as error:
            raise ConfigError(f"{url!r} is no etcd endpoint: {error}") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise ConfigError(f"{url!r} is no etcd endpoint; write it as http://127.0.0.1:2379")
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return cls(url, target, parts.scheme == "https", _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class EtcdSettings:
    """What a registry in etcd is made from. Raises `ConfigError` for what cannot work."""

    endpoints: tuple[str, ...] = ("http://127.0.0.1:2379",)
    ca_file: str = ""
    """PEM file of the authorities whose certificates etcd may show; empty: those that gRPC comes with."""
    cert_file: str = ""
    """PEM file of our own certificate, for an etcd that asks for one (`--client-cert-auth`)."""
    key_file: str = ""
    username: str = ""
    """The user to be, for an etcd with authentication enabled."""
    password: str = field(default="", repr=False)
    request_timeout: float = 1.0
    """Seconds that one request to one member may take."""

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ConfigError("no etcd endpoint is given")
        if bool(self.cert_file) != bool(self.key_file):
            raise ConfigError(
                "a client certificate for etcd is a pair: give both its certificate file and its key file"
            )
        if self.request_timeout <= 0:
            raise ConfigError(f"a request to etcd cannot take {self.request_timeout:g} s; give it more")
        plain = [endpoint.url for endpoint in self.parsed if not endpoint.tls]
        if plain and (self.ca_file or self.cert_file):
            raise ConfigError(f"certificates are given for etcd, but {', '.join(plain)} does not start with https://")

    def hurried(self, ttl: float) -> Self:
        """For the connection that keeps a lease of `ttl` seconds: a member that hangs must not cost the lease."""
        return replace(self, request_timeout=min(self.request_timeout, ttl / 6))

    @property
    def parsed(self) -> tuple[Endpoint, ...]:
        """The endpoints, each once; raises `ConfigError`."""
        return tuple(Endpoint.parse(url) for url in dict.fromkeys(self.endpoints))

    def credentials(self) -> grpc.ChannelCredentials:
        """Our side of TLS, from the files as they are now; raises `UnavailableError` if one cannot be read."""
        return grpc.ssl_channel_credentials(
            root_certificates=_content(self.ca_file),
            private_key=_content(self.key_file),
            certificate_chain=_content(self.cert_file),
        )


def _content(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnavailableError(f"cannot read {path}, which etcd's TLS needs: {error.strerror}") from error
