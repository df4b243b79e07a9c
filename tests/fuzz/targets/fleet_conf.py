"""`fleet.conf`: a configuration, or an error that names the line."""

from __future__ import annotations

from fleetpy.config.file import parse_settings
from fleetpy.config.fleet import build_config, option_names
from fleetpy.errors import ConfigError
from tests.fuzz.inputs import text_of

WORDS = (
    *(f"{name}=" for name in option_names()),
    '["http://127.0.0.1:2379"]',
    '"',
    "'",
    "[",
    "]",
    "1h2m",
    "1e999",
    "9" * 5000,
    "nan",
    "²",
    "٣",
    "http://[",
    "http://a:b",
    "::1%eth0",
    ",",
    "=",
    "\n",
)


def check(data: bytes) -> None:
    """Read a configuration file."""
    try:
        config = build_config(parse_settings(text_of(data), "fleet.conf"))
    except ConfigError as error:
        assert str(error).startswith("fleet.conf:")  # noqa: PT017 - likewise
        return
    assert config.etcd_servers
    assert config.token_limit > 0
    assert config.etcd_key_prefix.endswith("/")
