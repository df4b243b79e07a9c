"""From the configuration to the registry that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.registry.etcd import EtcdSettings
from fleetpy.registry.keys import Keys

if TYPE_CHECKING:
    from fleetpy.config.fleet import FleetConfig


def etcd_settings(config: FleetConfig) -> EtcdSettings:
    """Where etcd is and who we are; raises `ConfigError` for what cannot work."""
    return EtcdSettings(
        endpoints=config.etcd_servers,
        ca_file=config.etcd_cafile,
        cert_file=config.etcd_certfile,
        key_file=config.etcd_keyfile,
        username=config.etcd_username,
        password=config.etcd_password,
        request_timeout=config.etcd_request_timeout,
    )


def keys_of(config: FleetConfig) -> Keys:
    """Where in the registry the cluster stands."""
    return Keys(config.etcd_key_prefix)
