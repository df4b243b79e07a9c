"""`FleetConfig`: what the daemons of a host are configured with.

Sources, later ones over earlier ones: defaults, `/etc/fleet/fleet.conf`, the environment (`FLEET_<OPTION>`), flags.
The options' names and meanings are the original's, so that its files work unchanged; `fleet.conf.sample` in `docs/`
describes each. Options that only steered the original's insides are accepted with a warning that says why.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fleetpy.config import tls, values
from fleetpy.config.file import Setting, parse_settings, split_list
from fleetpy.errors import ConfigError
from fleetpy.registry.keys import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_PATH = Path("/etc/fleet/fleet.conf")
ENVIRONMENT_PREFIX = "FLEET_"

_LEASE_PART = 0.8
_SHORTEST_TTL = 2.0
"""Seconds; etcd's leases are whole seconds, and three heartbeats must fit into one."""


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """The configuration of one host's daemons. Durations are seconds."""

    verbosity: int = 0
    """Above 0: debug messages are logged."""
    etcd_servers: tuple[str, ...] = ("http://127.0.0.1:2379", "http://127.0.0.1:4001")
    etcd_username: str = ""
    etcd_password: str = field(default="", repr=False)
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_key_prefix: str = DEFAULT_PREFIX
    etcd_request_timeout: float = 1.0
    """How long one request to etcd may take before it has failed."""
    public_ip: str = ""
    """The address that the machine publishes; found by its routing table when empty."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    agent_ttl: float = 10.0
    """How long a machine may be silent before it is taken for dead."""
    scheduler_ttl: float = 5.0
    """How long the leading scheduler may be silent before another takes over."""
    engine_reconcile_interval: float = 30.0
    """How often the leading scheduler plans everything anew, whether or not something happened."""
    disable_engine: bool = False
    """This host's scheduler does not take part."""
    units_directory: str = "/run/fleet/units"
    token_limit: int = 100
    """How many entries a page of the API has at the most."""
    api_idle_timeout: float = 300.0
    """How long a socket-activated API goes on with no request and no event stream open."""
    api_certfile: str = ""
    """The API's certificate: with it, TLS is spoken on sockets of TCP."""
    api_keyfile: str = ""
    api_cafile: str = ""
    """The authority that signs the certificates of the API's clients on TCP; without one they need none."""
    api_insecure_tcp: bool = False
    """Let the API serve everybody on TCP addresses other than loopback: whoever reaches it is root on every host."""
    warnings: tuple[str, ...] = ()
    """What the daemons are to log once about the configuration."""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Where each option that is set was set, in words: file, line and option, or variable, or flag."""

    @property
    def agent_lease(self) -> float:
        """How long a machine's lease lasts: a fifth less than `agent_ttl` (docs/adr/0006-lease-and-ttl.md)."""
        return max(self.agent_ttl * _LEASE_PART, _SHORTEST_TTL)

    def origin(self, option: str) -> str:
        """Where an option was set, as an error about it begins."""
        return self.origins.get(option, option)

    def file(self, option: str) -> tls.NamedFile:
        """The file that an option names, if it does."""
        return tls.NamedFile(getattr(self, option), self.origin(option))


def _text(value: str, _origin: str) -> str:
    return value


def _endpoints(value: str, origin: str) -> tuple[str, ...]:
    endpoints = split_list(value, origin)
    if not endpoints:
        raise ConfigError(f"{origin}: no etcd endpoint is given; write etcd_servers=http://127.0.0.1:2379")
    for endpoint in endpoints:
        try:
            parts = urlsplit(endpoint)
            wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
        except ValueError:
            wrong = True
        if wrong:
            raise ConfigError(f"{origin}: {endpoint!r} is no etcd endpoint; write it as http://127.0.0.1:2379")
    return endpoints


def _prefix(value: str, origin: str) -> str:
    if not value.startswith("/"):
        raise ConfigError(f"{origin}: {value!r} is no key prefix; write it with a slash in front, as {DEFAULT_PREFIX}")
    return value if value.endswith("/") else value + "/"


def _address(value: str, origin: str) -> str:
    if value:
        try:
            ipaddress.ip_address(value)
        except ValueError as error:
            raise ConfigError(f"{origin}: {value!r} is no IP address; write one as 192.0.2.7, or nothing") from error
    return value


def _ttl(value: str, origin: str) -> float:
    seconds = values.duration(value, origin)
    if seconds < _SHORTEST_TTL:
        raise ConfigError(f"{origin}: {value!r} is too short; a time to live is at least {_SHORTEST_TTL:g}s")
    return seconds


def _page_size(value: str, origin: str) -> int:
    number = values.whole_number(value, origin)
    if number == 0:
        raise ConfigError(f"{origin}: a page has at least one entry; write 1 or more")
    return number


_READERS: dict[str, Callable[[str, str], object]] = {
    "verbosity": values.whole_number,
    "etcd_servers": _endpoints,
    "etcd_username": _text,
    "etcd_password": _text,
    "etcd_cafile": _text,
    "etcd_certfile": _text,
    "etcd_keyfile": _text,
    "etcd_key_prefix": _prefix,
    "etcd_request_timeout": values.duration,
    "public_ip": _address,
    "metadata": values.metadata,
    "agent_ttl": _ttl,
    "scheduler_ttl": _ttl,
    "engine_reconcile_interval": values.duration,
    "disable_engine": values.truth,
    "units_directory": _text,
    "token_limit": _page_size,
    "api_idle_timeout": values.duration,
    "api_certfile": _text,
    "api_keyfile": _text,
    "api_cafile": _text,
    "api_insecure_tcp": values.truth,
}

_NEEDS = (
    ("etcd_certfile", "etcd_keyfile"),
    ("etcd_keyfile", "etcd_certfile"),
    ("etcd_password", "etcd_username"),
    ("api_certfile", "api_keyfile"),
    ("api_keyfile", "api_certfile"),
    ("api_cafile", "api_certfile"),
)
"""Options that mean nothing without another: the one, and the other."""

_RETIRED = {
    "disable_watches": "fleetpy always watches: one watch a process on its own keys is what keeps etcd idle",
    "enable_grpc": "the original's gRPC engine is gone; every process speaks to etcd alone",
    "verify_units": "the original had already stopped to verify signatures of units",
    "authorized_keys_file": "the original had already stopped to verify signatures of units",
}
_REFUSED = {"systemd_user": "fleetpy drives the system's systemd; it has no per-user mode"}


def load_config(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> FleetConfig:
    """Read the configuration from every source.

    `path` None means the default file, which need not exist; a path that was asked for must. `flags` are options by
    name, as given on the command line. Raises `ConfigError`, which names the file and line, the variable or the flag.
    """
    settings = _from_file(path)
    settings += [
        Setting(name.removeprefix(ENVIRONMENT_PREFIX).lower(), value, f"environment variable {name}")
        for name, value in sorted(environ.items())
        if name.startswith(ENVIRONMENT_PREFIX) and _known(name.removeprefix(ENVIRONMENT_PREFIX).lower())
    ]
    settings += [Setting(name, value, f"flag --{name.replace('_', '-')}") for name, value in (flags or {}).items()]
    config = build_config(settings)
    _check_files(config)
    return config


def build_config(settings: list[Setting]) -> FleetConfig:
    """The configuration that these settings make, later ones over earlier ones; raises `ConfigError`."""
    read: dict[str, object] = {}
    origins: dict[str, str] = {}
    warnings = []
    for setting in settings:
        if setting.name in _REFUSED:
            if values.truth(setting.value, setting.origin):
                raise ConfigError(f"{setting.origin}: it is not supported: {_REFUSED[setting.name]}")
        elif setting.name in _RETIRED:
            warnings.append(f"{setting.origin}: it has no effect: {_RETIRED[setting.name]}")
        elif setting.name in _READERS:
            read[setting.name] = _READERS[setting.name](setting.value, setting.origin)
            origins[setting.name] = setting.origin
        else:
            import difflib  # noqa: PLC0415 - for a slip, and nobody else

            near = difflib.get_close_matches(setting.name, _READERS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{setting.origin}: there is no such option{hint}")
    config = replace(FleetConfig(), warnings=tuple(warnings), origins=origins, **read)  # type: ignore[arg-type]  # the readers' types
    _check_together(config)
    return config


def option_names() -> tuple[str, ...]:
    """Every option that can be set."""
    return tuple(option.name for option in fields(FleetConfig) if option.name in _READERS)


def _known(name: str) -> bool:
    # Other programs' variables may begin with FLEET_ too (FLEET_EPOCH does): only ours are looked at.
    return name in _READERS or name in _RETIRED or name in _REFUSED


def _from_file(path: Path | None) -> list[Setting]:
    wanted = path or DEFAULT_PATH
    try:
        text = wanted.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if path is None:
            return []
        raise ConfigError(f"cannot read the configuration file {path}: it does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {wanted}: {error}") from error
    return parse_settings(text, str(wanted))


def _check_together(config: FleetConfig) -> None:
    """Raise `ConfigError` for options that make no sense without each other."""
    for given, needed in _NEEDS:
        if getattr(config, given) and not getattr(config, needed):
            raise ConfigError(f"{config.origin(given)}: it is used together with {needed}; set that as well")
    plain = [server for server in config.etcd_servers if not server.startswith("https:")]
    for option in ("etcd_cafile", "etcd_certfile"):
        if getattr(config, option) and plain:
            raise ConfigError(
                f"{config.origin(option)}: it is for TLS, and {', '.join(plain)} in etcd_servers has none; "
                "write https:// there, or remove the certificates"
            )


def _check_files(config: FleetConfig) -> None:
    """Raise `ConfigError` for files that every daemon needs and cannot use."""
    if config.etcd_cafile:
        tls.check_authorities(config.file("etcd_cafile"))
    if config.etcd_certfile:
        tls.check_identity(config.file("etcd_certfile"), config.file("etcd_keyfile"))
