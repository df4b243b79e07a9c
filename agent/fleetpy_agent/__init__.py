"""`fleet-agent`: makes one host's systemd match the placements that the scheduler made for it."""
