"""One run of fleetctl: what its global options say, and where its output goes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpy.client.endpoint import DEFAULT_ENDPOINT, DEFAULT_TIMEOUT
from fleetpy_cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path

    from fleetpy_cli.tunnel import Tunnel

DEFAULT_SSH_USERNAME = "core"
"""The original's; it was the user of CoreOS."""

DEFAULT_SSH_TIMEOUT = 10.0


@dataclass(slots=True)
class Session:
    """Filled in while the command line is read; global options may stand before the command and after it."""

    endpoint: str = DEFAULT_ENDPOINT
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    request_timeout: float = DEFAULT_TIMEOUT
    """Seconds."""
    debug: bool = False
    tunnel: str = ""
    """`[USER@]HOST[:PORT]` through which everything goes; empty for the direct way."""
    ssh_username: str = DEFAULT_SSH_USERNAME
    ssh_timeout: float = DEFAULT_SSH_TIMEOUT
    """Seconds until an SSH connection is there."""
    known_hosts_file: Path | None = None
    """None: as OpenSSH is configured."""
    strict_host_key_checking: bool | None = None
    """None: as OpenSSH is configured."""
    opened_tunnel: Tunnel | None = None
    closing: ExitStack = field(default_factory=ExitStack)
    """What is to be closed when the run ends."""
    output: Output = field(default_factory=Output)
