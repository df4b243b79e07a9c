"""The command line that every daemon has, and the configuration that it leads to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy import __version__
from fleetpy.config import DEFAULT_PATH, load_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.config import FleetConfig


def command_line(program: str, purpose: str) -> argparse.ArgumentParser:
    """The parser of a daemon's command line; what `configuration` does not read is the daemon's own to add."""
    parser = argparse.ArgumentParser(prog=program, description=purpose)
    parser.add_argument("--config", type=Path, metavar="PATH", help=f"the configuration file (default {DEFAULT_PATH})")
    parser.add_argument("--verbosity", metavar="N", help="above 0: log debug messages")
    parser.add_argument("--check", action="store_true", help="say what is wrong with the configuration, and end")
    parser.add_argument("--version", action="version", version=f"{program} {__version__}")
    return parser


def configuration(given: argparse.Namespace, environ: Mapping[str, str]) -> FleetConfig:
    """The configuration as it is now, for what was given on the command line; raises `ConfigError`."""
    flags = {"verbosity": given.verbosity} if given.verbosity is not None else {}
    return load_config(given.config, environ, flags)
