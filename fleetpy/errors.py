"""Every error that fleetpy raises on purpose, split by whose fault it is.

* `UserError`: the input is wrong; saying the same again gives the same answer. Exit code 2 for how a command
  was called, 1 for what it asked for.
* `LostRaceError`: somebody else wrote first; read again and decide again.
* `UnavailableError`: something that fleetpy needs is away or refuses; trying later may help.

A message says what was tried, with which name, and what to do. Nothing here ever shows a traceback to a user.
"""

from __future__ import annotations


class FleetError(Exception):
    """The root: whatever fleetpy raises on purpose is one of these."""

    exit_code = 1


class UserError(FleetError):
    """The input is wrong, whoever gave it: a person, a unit file, a client of the API, a configuration file."""


class UsageError(UserError):
    """A command was called in a way that it does not have."""

    exit_code = 2


class InvalidUnitNameError(UserError):
    """A unit's name breaks one of systemd's rules (systemd.unit(5)) or names a type that cannot be used."""


class InvalidUnitFileError(UserError):
    """A unit file cannot be read; `line` is the 1-based number of the offending line, where there is one."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(f"line {line}: {message}" if line is not None else message)
        self.line = line


class InvalidRequirementError(UserError):
    """An option of a unit's [X-Fleet] section is unknown, malformed, or cannot stand beside another."""


class ConfigError(UserError):
    """A configuration file or an environment variable is wrong; the message names the file and the line."""

    exit_code = 2


class LostRaceError(FleetError):
    """A transaction's guard did not hold: the registry has moved on since it was read."""


class UnavailableError(FleetError):
    """A dependency (etcd, the API, D-Bus) is away, too slow, full, or refuses us; trying later may help."""
