"""The options that every command has, and those that several share.

Global options may stand before the command or after it, as with the original. Each is also read from the environment
as `FLEETCTL_<OPTION>`; the command line goes first. Names that the original had given up are taken as it took them:
those of `fleetpy_cli.spelling` stand for another, the others have no effect, which is said.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from fleetpy import __version__
from fleetpy.client.endpoint import DEFAULT_ENDPOINT, DEFAULT_TIMEOUT
from fleetpy_cli.clock import ATTEMPT_SECONDS
from fleetpy_cli.numbers import Seconds, Whole
from fleetpy_cli.session import DEFAULT_SSH_TIMEOUT, DEFAULT_SSH_USERNAME, Session
from fleetpy_cli.spelling import FORMER, respelt

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

F = TypeVar("F", bound="Callable[..., Any]")

_FILE = click.Path(path_type=Path, dir_okay=False)
_LAST_PORT = 65535


class FleetOption(click.Option):
    """An option that may also be given in the environment; if it is wrong there, the error says so."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """What an error calls it: the variable where that is what was wrong."""
        variable = _variable_used(ctx, self) if ctx is not None else None
        return f"'{variable}'" if variable else super().get_error_hint(ctx)


def _variable_used(context: click.Context, option: click.Parameter) -> str | None:
    """The environment variable that has the option's value, if that is where it comes from."""
    if context.get_parameter_source(option.name or "") is not ParameterSource.ENVIRONMENT:
        return None
    variables = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
    return next((name for name in variables if os.environ.get(name)), None)


def _counts(context: click.Context, option: click.Parameter, value: object) -> bool:
    """Whether a global option was given; behind the command, only what was typed there counts."""
    if value is None:
        return False
    return context.parent is None or context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    """Put a global option into the session."""
    if _counts(context, option, value):
        setattr(context.ensure_object(Session), option.name or "", value)


def _remember_endpoint(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """The same for the endpoint. Of several, the first counts, as with the original."""
    first, comma, _ = (value or "").partition(",")
    if comma and _counts(context, option, value) and not context.resilient_parsing:
        context.ensure_object(Session).output.warn(f"several endpoints are given; the first one is used, {first}")
    _remember(context, option, value and first)


def without_effect(reason: str) -> Callable[[click.Context, click.Parameter, object], None]:
    """For an option that the original took and that means nothing any more: says so, and why."""

    def tell(context: click.Context, option: click.Parameter, value: object) -> None:
        if value and _counts(context, option, value) and not context.resilient_parsing:
            name = _variable_used(context, option) or option.opts[0]
            context.ensure_object(Session).output.warn(f"{name} is deprecated and has no effect: {reason}")

    return tell


def _check_driver(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None and value.upper() != "API":
        raise click.BadParameter(
            f"there is no driver {value!r}: fleetctl speaks the HTTP API alone. Leave --driver out, give --endpoint."
        )


def _global(name: str, callback: Callable[..., None] = _remember, **attributes: Any) -> click.Option:
    names = [name, *(former.removeprefix("--") for former, now in FORMER.items() if now == f"--{name}")]
    variables = [f"FLEETCTL_{one.upper().replace('-', '_')}" for one in names]
    return FleetOption(
        [f"--{name}"], expose_value=False, callback=callback, envvar=variables, default=None, **attributes
    )


GLOBAL_OPTIONS: tuple[click.Option, ...] = (
    _global(
        "endpoint",
        _remember_endpoint,
        metavar="URL",
        help=f"The API's place: unix:///PATH, http://HOST:PORT or https://HOST:PORT. Default: {DEFAULT_ENDPOINT}.",
    ),
    _global("ca-file", type=_FILE, help="Trust the certificate authorities in this PEM file instead of the system's."),
    _global("cert-file", type=_FILE, help="Show the API this certificate, a PEM file; belongs to --key-file."),
    _global("key-file", type=_FILE, help="The certificate's private key, a PEM file."),
    _global(
        "request-timeout",
        type=Seconds(),
        metavar="SECONDS",
        help=f"How long a single request may take. Default: {DEFAULT_TIMEOUT:g}.",
    ),
    _global(
        "tunnel",
        metavar="HOST[:PORT]",
        help="Reach the cluster by SSH through this host: the API, and the machines for ssh, journal and status.",
    ),
    _global(
        "ssh-username", metavar="USER", help=f"Who to be on hosts reached by SSH. Default: {DEFAULT_SSH_USERNAME}."
    ),
    _global(
        "ssh-timeout",
        type=Seconds(),
        metavar="SECONDS",
        help=f"How long an SSH connection may take to be there. Default: {DEFAULT_SSH_TIMEOUT:g}.",
    ),
    _global("known-hosts-file", type=_FILE, help="Where keys of SSH hosts are kept. Default: OpenSSH's own files."),
    _global(
        "strict-host-key-checking",
        type=click.BOOL,
        metavar="true|false",
        help="Whether an SSH host has to prove that it is the one of before. Default: as OpenSSH is configured.",
    ),
    _global("driver", _check_driver, metavar="API", help="How to reach the cluster; API is the only way."),
    _global(
        "debug", is_flag=True, help="Log every request to standard error, and show where a defect of fleetctl lies."
    ),
    _global(
        "experimental-api",
        without_effect("the HTTP API is the only way to a cluster"),
        is_flag=True,
        hidden=True,
    ),
    _global(
        "etcd-key-prefix",
        without_effect("fleetctl never speaks to etcd; etcd_key_prefix in fleet.conf says where a cluster's keys are"),
        hidden=True,
    ),
)


def version_option(*names: str) -> click.Option:
    """Show the version and end, whatever else there is on the command line."""
    return click.Option(
        names, is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show fleetctl's version."
    )


def _show_version(context: click.Context, _option: click.Parameter, value: object) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"fleetctl version {__version__}")
        context.exit()


_VERSION = version_option("--version")


class FleetCommand(click.Command):
    """A command that also takes the global options, and shows them apart from its own, and examples of its use."""

    def __init__(self, *arguments: Any, examples: tuple[str, ...] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = examples

    def own_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, `--help` among them."""
        return super().get_params(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, then the global ones."""
        return [*self.own_params(ctx), *GLOBAL_OPTIONS, _VERSION]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        return super().parse_args(ctx, respelt(args, self.get_params(ctx)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the global ones."""
        own = [option.get_help_record(ctx) for option in self.own_params(ctx) if isinstance(option, click.Option)]
        write_options(formatter, "Options", own)
        write_options(
            formatter, "Global options", [option.get_help_record(ctx) for option in (*GLOBAL_OPTIONS, _VERSION)]
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def write_options(formatter: click.HelpFormatter, title: str, records: list[tuple[str, str] | None]) -> None:
    """Write one section of options."""
    with formatter.section(title):
        formatter.write_dl([record for record in records if record is not None])


def complete_units(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a shell may make of the beginning of a unit's name; for a parameter's `shell_complete`."""
    from fleetpy_cli.completion import units  # noqa: PLC0415 - for a shell that asks, and nobody else

    return units(context, incomplete)


def complete_machines_and_units(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The same for a machine's id, and where both may stand also a unit's name."""
    from fleetpy_cli.completion import machines_and_units  # noqa: PLC0415 - likewise

    return machines_and_units(context, parameter, incomplete)


def units_argument(command: F) -> F:
    """Any number of units."""
    return click.argument("names", nargs=-1, metavar="UNIT…", shell_complete=complete_units)(command)


def selected_units_argument(command: F) -> F:
    """Units that a list is about; all, if there are none."""
    return click.argument("names", nargs=-1, metavar="[UNIT…]", shell_complete=complete_units)(command)


def ssh_port_option(command: F) -> F:
    """`--ssh-port`."""
    return click.option(
        "--ssh-port",
        cls=FleetOption,
        type=Whole(1, _LAST_PORT),
        metavar="N",
        envvar="FLEETCTL_SSH_PORT",
        help="The machine's SSH port. Default: as OpenSSH is configured, 22.",
    )(command)


def sign_option(command: F) -> F:
    """The original's `--sign`, which did nothing in its last version."""
    return click.option(
        "--sign",
        is_flag=True,
        hidden=True,
        expose_value=False,
        default=None,
        callback=without_effect("units are not signed"),
    )(command)


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
        type=Whole(0),
        default=0,
        metavar="N",
        help=f"Give up waiting after N times {ATTEMPT_SECONDS:g} seconds, with exit code 124. Default: 0, never.",
    )(command)
