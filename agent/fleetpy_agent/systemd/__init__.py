"""The host's systemd: what the agent asks of it, over D-Bus, and an implementation in memory."""
