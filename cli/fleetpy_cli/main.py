"""`fleetctl`: finds the command, runs it, and turns whatever goes wrong into one line and an exit code.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed, wholly or in part; standard error says what |
| 2 | called in a way that it does not have |
| 124 | gave up waiting (`--block-attempts`) |
| 130 | interrupted from the keyboard |

A command's module is imported when that command runs, and no other.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fleetpy import __version__
from fleetpy.client.errors import ApiDistrustError, ApiForbiddenError, ApiTimeoutError, ApiUnreachableError
from fleetpy.errors import FleetError
from fleetpy_cli.commands import COMMANDS, GROUPS
from fleetpy_cli.options import GLOBAL_OPTIONS, version_option, write_options
from fleetpy_cli.session import Session
from fleetpy_cli.spelling import Role, respelt, roles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

COLLECT_AFTER = 100_000
"""How many objects more than before there are when garbage is looked for: imports and long lists make none."""

COMPLETE = "_FLEETCTL_COMPLETE"
"""The variable by which a shell asks what it may complete; the name is click's."""

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the signal's number, as shells have it."""


def unknown_command(name: str, context: click.Context) -> click.UsageError:
    """What to say of a command that there is not."""
    import difflib  # noqa: PLC0415 - for a slip, and nobody else

    near = difflib.get_close_matches(name, COMMANDS, n=2)
    meant = f"; did you mean {' or '.join(near)}?" if near else ";"
    return click.UsageError(f"there is no command {name!r}{meant} `fleetctl help` lists them", context)


class FleetGroup(click.Group):
    """The commands by name, or by as much of it as is unmistakable."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for a name that there is not."""
        candidates = (
            [cmd_name] if cmd_name in COMMANDS else [one for one in sorted(COMMANDS) if one.startswith(cmd_name)]
        )
        if not candidates:
            return None
        if len(candidates) > 1:
            raise click.UsageError(f"{cmd_name!r} could be {', '.join(candidates[:-1])} or {candidates[-1]}", ctx)
        module, _, attribute = COMMANDS[candidates[0]].place.partition(":")
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line as far as the command."""
        parameters = self.get_params(ctx)
        found = roles(args, parameters)
        own = found.index(Role.ARGUMENT) if Role.ARGUMENT in found else len(args)
        return super().parse_args(ctx, [*respelt(args[:own], parameters), *args[own:]])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named; one that there is not is answered with the nearest."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise unknown_command(args[0], ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and global options, importing no command."""
        from fleetpy_cli.completion import commands  # noqa: PLC0415 - for a shell that asks, and nobody else

        found = commands({name: entry.summary for name, entry in COMMANDS.items()}, incomplete)
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, importing none of them, then the global options."""
        for title, group in GROUPS.items():
            write_options(formatter, title, [(name, entry.summary) for name, entry in group.items()])
        write_options(formatter, "Global options", [option.get_help_record(ctx) for option in self.get_params(ctx)])

    def main(  # type: ignore[override]  # click overloads it by standalone_mode, which has no meaning here
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> NoReturn:
        """Run, and exit."""
        session = Session()
        extra.pop("standalone_mode", None)
        if COMPLETE in os.environ:
            from fleetpy_cli.shells import register  # noqa: PLC0415 - for a shell that asks, and nobody else

            register()
        try:
            code = super().main(args, prog_name or self.name, standalone_mode=False, obj=session, **extra)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort:
            session.output.error("interrupted; what was asked of the cluster so far stands")
            code = INTERRUPTED
        except FleetError as error:
            for line in _in_words(error).splitlines():
                session.output.error(line)
            code = error.exit_code
        except OSError as error:
            session.output.error(f"cannot read or write: {error}")
            code = 1
        except Exception as error:  # the last resort: users never see a traceback, unless they ask for it
            if session.debug:
                raise
            session.output.error(f"this is a defect of fleetctl, please report it: {error!r} (--debug shows where)")
            code = 1
        finally:
            session.closing.close()
        sys.exit(code or 0)


def _in_words(error: FleetError) -> str:
    """The error, and what can be done about it from a command line."""
    if isinstance(error, ApiTimeoutError):
        return f"{error}. If it is only slow, give it more with --request-timeout"
    if isinstance(error, ApiDistrustError):
        return (
            f"{error}. Give the authority's certificate with --ca-file, and your own with --cert-file and --key-file "
            "if the API asks for one"
        )
    if isinstance(error, ApiForbiddenError):
        return f"{error}. SocketGroup= in a drop-in of fleet-api.socket lets others"
    if isinstance(error, ApiUnreachableError):
        return (
            f"{error}. Is the API running there (systemctl status fleet-api.socket)? "
            "If it is elsewhere, give --endpoint or FLEETCTL_ENDPOINT"
        )
    return str(error)


@click.group(
    "fleetctl",
    cls=FleetGroup,
    subcommand_metavar="COMMAND [ARGUMENTS]…",
    invoke_without_command=True,
    params=[*GLOBAL_OPTIONS, version_option("-v", "--version")],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=f"fleetctl version {__version__}",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """The command line of a fleet: a cluster of machines as if it were one, with one systemd.

    `fleetctl COMMAND --help` says more about a command. Global options can also be given in the environment, as
    FLEETCTL_ENDPOINT and so on.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> NoReturn:
    """The program.

    It ends without having Python take itself apart, which would take as long as a short command's own work.
    """
    gc.set_threshold(COLLECT_AFTER)
    code = 1
    try:
        cli.main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 1
    os._exit(code)
