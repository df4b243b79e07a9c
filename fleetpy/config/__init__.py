"""What the daemons are configured with: `fleet.conf`, the environment, flags."""
