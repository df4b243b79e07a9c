"""`fleet-lab`: the command line."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click
from docker.errors import DockerException

import fleetpy
from fleetpy.errors import FleetError, UsageError
from fleetpy_lab.commands import COMMANDS
from fleetpy_lab.lab import DEFAULT_NAME

if TYPE_CHECKING:
    from types import FrameType

_TERMINATED = 128 + signal.SIGTERM
_INTERRUPTED = 128 + signal.SIGINT
_FAILED = 1
_USAGE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FLEET_LAB"})
@click.option(
    "--name", default=DEFAULT_NAME, show_default=True, show_envvar=True, help="Which lab: there may be several."
)
@click.version_option(fleetpy.__version__, prog_name="fleet-lab")
@click.pass_context
def cli(context: click.Context, name: str) -> None:
    """Real systemd hosts on this machine, with etcd and fleetpy on each, to try things and to break them.

    Each host is a Docker container whose first process is systemd. On Debian, everything that it takes is installed and
    built at the first `up`.
    """
    context.obj = name


for command in COMMANDS:
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; ends the process with 0, 1 (failed) or 2 (called wrongly), or a command's own code."""
    # Being told to stop is no reason to leave half a lab behind: it unwinds like an error.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except click.Abort:
        code = _INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except FleetError as error:
        code = _complain(str(error), _USAGE if isinstance(error, UsageError) else _FAILED)
    except DockerException as error:
        code = _complain(f"Docker failed: {error}", _FAILED)
    sys.exit(code)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(_TERMINATED)


def _complain(message: str, code: int) -> int:
    click.echo(f"fleet-lab: {message}", err=True)
    return code
