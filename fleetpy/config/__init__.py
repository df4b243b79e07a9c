"""What the daemons are configured with: `fleet.conf`, the environment, flags."""

from fleetpy.config.fleet import DEFAULT_PATH, FleetConfig, load_config

__all__ = ["DEFAULT_PATH", "FleetConfig", "load_config"]
