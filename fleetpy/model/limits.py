"""How much of what users give is taken; what is more is refused with these numbers (docs/api.md, "Limits").

A value has to fit into one request to etcd (1.5 MiB, its `--max-request-bytes`), and every scheduler and API keeps all
of them in memory. The limits of unit files and names are theirs (`fleetpy.unit`).
"""

MAX_METADATA_PAIRS = 128
"""Pairs of metadata that a machine has, from its own configuration, and as many that are set for it."""
MAX_METADATA_KEY = 128
"""Characters of a key."""
MAX_METADATA_VALUE = 4096
"""Characters of a value."""
MAX_PROBLEM = 1000
"""Characters of what went wrong with a unit, as its machine reports it."""
