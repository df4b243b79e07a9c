"""The options that every command has, and those that several share.

Global options may stand before the command or after it, as with the original. Each is also read from the environment
as `FLEETCTL_<OPTION>`; the command line goes first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from fleetpy.client.endpoint import DEFAULT_ENDPOINT, DEFAULT_TIMEOUT
from fleetpy_cli.clock import ATTEMPT_SECONDS
from fleetpy_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

_FILE = click.Path(path_type=Path, dir_okay=False)


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    """Put a global option into the session; behind the command, only what was typed there counts."""
    name = option.name or ""
    if value is None or (context.parent is not None and not _is_typed(context, name)):
        return
    setattr(context.ensure_object(Session), name, value)


def _is_typed(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _check_driver(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None and value.upper() != "API":
        raise click.BadParameter(
            f"there is no driver {value!r}: fleetctl speaks the HTTP API alone. Leave --driver out, give --endpoint."
        )


def _global(name: str, callback: Callable[..., None] = _remember, **attributes: Any) -> click.Option:
    variable = f"FLEETCTL_{name.upper().replace('-', '_')}"
    return click.Option(
        [f"--{name}"], expose_value=False, callback=callback, envvar=variable, default=None, **attributes
    )


GLOBAL_OPTIONS: tuple[click.Option, ...] = (
    _global(
        "endpoint",
        metavar="URL",
        help=f"The API's place: unix:///PATH, http://HOST:PORT or https://HOST:PORT. Default: {DEFAULT_ENDPOINT}.",
    ),
    _global("ca-file", type=_FILE, help="Trust the certificate authorities in this PEM file instead of the system's."),
    _global("cert-file", type=_FILE, help="Show the API this certificate, a PEM file; belongs to --key-file."),
    _global("key-file", type=_FILE, help="The certificate's private key, a PEM file."),
    _global(
        "request-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help=f"How long a single request may take. Default: {DEFAULT_TIMEOUT:g}.",
    ),
    _global("driver", _check_driver, metavar="API", help="How to reach the cluster; API is the only way."),
    _global(
        "debug", is_flag=True, help="Log every request to standard error, and show where a defect of fleetctl lies."
    ),
)


class FleetCommand(click.Command):
    """A command that also takes the global options, and shows them apart from its own, and examples of its use."""

    def __init__(self, *arguments: Any, examples: tuple[str, ...] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._examples = examples

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, then the global ones."""
        return [*super().get_params(ctx), *GLOBAL_OPTIONS]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the global ones."""
        own = [option.get_help_record(ctx) for option in super().get_params(ctx) if isinstance(option, click.Option)]
        write_options(formatter, "Options", own)
        write_options(formatter, "Global options", [option.get_help_record(ctx) for option in GLOBAL_OPTIONS])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        if self._examples:
            with formatter.section("Examples"):
                for example in self._examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def write_options(formatter: click.HelpFormatter, title: str, records: list[tuple[str, str] | None]) -> None:
    """Write one section of options."""
    with formatter.section(title):
        formatter.write_dl([record for record in records if record is not None])


def units_argument(command: F) -> F:
    """Any number of units."""
    return click.argument("names", nargs=-1, metavar="UNIT…")(command)


def replace_option(command: F) -> F:
    """`--replace`."""
    return click.option(
        "--replace", is_flag=True, help="Replace units in the cluster whose text differs from the local file's."
    )(command)


def block_options(command: F) -> F:
    """`--no-block` and `--block-attempts`."""
    command = click.option("--no-block", is_flag=True, help="Do not wait until it is done.")(command)
    return block_attempts_option(command)


def block_attempts_option(command: F) -> F:
    """`--block-attempts`."""
    return click.option(
        "--block-attempts",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help=f"Give up waiting after N times {ATTEMPT_SECONDS:g} seconds, with exit code 124. Default: 0, never.",
    )(command)
