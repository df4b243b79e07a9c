"""fleetctl(1), and a page for each of its commands: from the commands' own help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetpy_cli.commands import COMMANDS, GROUPS
from fleetpy_cli.main import cli
from fleetpy_cli.options import GLOBAL_OPTIONS, FleetCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from docs.man.roff import Page

    NewPage = Callable[[str, int, str], Page]

EXIT_CODES = (
    ("0", "Done."),
    ("1", "Failed, wholly or in part; standard error says what."),
    ("2", "Called in a way that it does not have."),
    ("124", "Gave up waiting (--block-attempts)."),
    ("130", "Interrupted from the keyboard; what was asked of the cluster so far stands."),
)


def command_pages(new: NewPage) -> Iterator[Page]:
    """All of them."""
    context = cli.make_context("fleetctl", [], resilient_parsing=True)
    yield _fleetctl(new, context)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert isinstance(command, FleetCommand)  # noqa: S101 - for mypy; a test goes through all of them
        yield _command(new, command, click.Context(command, info_name=name, parent=context))


def _fleetctl(new: NewPage, context: click.Context) -> Page:
    page = new("fleetctl", 1, "the command line of a cluster of machines with one systemd")
    page.heading("SYNOPSIS")
    page.synopsis(["fleetctl", *cli.collect_usage_pieces(context)])
    page.heading("DESCRIPTION")
    page.paragraphs(cli.help or "")
    page.heading("COMMANDS")
    for title, group in GROUPS.items():
        page.subheading(title)
        for name, entry in group.items():
            page.item(name, f"{entry.summary} See fleetctl-{name}(1).")
    page.heading("OPTIONS")
    page.paragraphs("These may stand before the command or after it.")
    _options(page, context, cli.get_params(context))
    page.heading("ENVIRONMENT")
    page.paragraphs("What is given on the command line goes first.")
    for option in _shown(GLOBAL_OPTIONS):
        page.item(_variable(option), f"Stands for {option.opts[0]}.")
    page.item("NO_COLOR", "If it is not empty, nothing is coloured.")
    page.heading("EXIT STATUS")
    for code, meaning in EXIT_CODES:
        page.item(code, meaning)
    page.paragraphs(
        "fleetctl-ssh(1), fleetctl-journal(1) and fleetctl-status(1) end with what they ran there ended with."
    )
    page.heading("FILES")
    page.item("/run/fleet.sock", "Where the API is reached by default.")
    page.heading("NOTES")
    page.paragraphs(
        "Deprecated options of the original `fleetctl` are accepted: `--etcd-cafile`, `--etcd-certfile` and "
        "`--etcd-keyfile` stand for --ca-file, --cert-file and --key-file; `--experimental-api`, `--etcd-key-prefix` "
        "and `--sign` have no effect. Its `fleetctl` speaks to a fleet-api(8) too, and this one to an original "
        "`fleetd`."
    )
    page.see_also([*(f"fleetctl-{name}(1)" for name in sorted(COMMANDS)), "fleet-api(8)", "systemctl(1)"])
    return page


def _command(new: NewPage, command: FleetCommand, context: click.Context) -> Page:
    name = command.name or ""
    page = new(f"fleetctl-{name}", 1, _without_capital(COMMANDS[name].summary.rstrip(".")))
    page.heading("SYNOPSIS")
    page.synopsis(["fleetctl", name, *command.collect_usage_pieces(context)])
    page.heading("DESCRIPTION")
    page.paragraphs(command.help or "")
    page.heading("OPTIONS")
    _options(page, context, command.own_params(context))
    page.paragraphs("The options that every command has are described in fleetctl(1).")
    if command.examples:
        page.heading("EXAMPLES")
        page.example(command.examples)
    page.see_also(["fleetctl(1)", *_neighbours(name)])
    return page


def _without_capital(text: str) -> str:
    return text[:1].lower() + text[1:]


def _options(page: Page, context: click.Context, parameters: Sequence[click.Parameter]) -> None:
    for option in _shown(parameters):
        record = option.get_help_record(context)
        if record is not None:
            page.item(*record)


def _shown(parameters: Iterable[click.Parameter]) -> list[click.Option]:
    return [option for option in parameters if isinstance(option, click.Option) and not option.hidden]


def _variable(option: click.Option) -> str:
    variables = option.envvar or ""
    return variables if isinstance(variables, str) else variables[0]


def _neighbours(name: str) -> list[str]:
    """Pages of commands that belong together."""
    return [f"fleetctl-{one}(1)" for group in GROUPS.values() if name in group for one in group if one != name]
