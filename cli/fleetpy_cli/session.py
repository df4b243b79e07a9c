"""One run of fleetctl: what its global options say, and where its output goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetpy.client.endpoint import DEFAULT_ENDPOINT, DEFAULT_TIMEOUT
from fleetpy_cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path


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
    output: Output = field(default_factory=Output)
