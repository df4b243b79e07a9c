"""The manual pages: each command, daemon and file has one, with every option, in roff that man reads."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import click
import pytest

from docs.man.__main__ import main, pages
from docs.man.conf import Explained, read_sample
from docs.man.daemons import DAEMONS, options_of
from docs.man.roff import Page, prose
from fleetpy.config.fleet import option_names
from fleetpy_cli.commands import COMMANDS
from fleetpy_cli.main import cli
from fleetpy_cli.options import GLOBAL_OPTIONS, FleetCommand

if TYPE_CHECKING:
    from pathlib import Path

MACROS = {".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".RS", ".RE", ".nf", ".fi"}
ESCAPE = re.compile(r"\\(?:\((?:aq|ga|ha|ti)|\[u[0-9A-F]{4}\]|f[BIR]|[e&-])")
MADE = date(2026, 1, 2)


@pytest.fixture(scope="module")
def made() -> dict[str, Page]:
    """Every page, by its name and section."""
    return {f"{page.name}({page.section})": page for page in pages(MADE)}


def plain(page: Page) -> str:
    """A page's text without roff."""
    text = page.text.replace("\\-", "-").replace("\\e", "\\").replace("\\(aq", "'")
    return re.sub(r"\\f[BIR]", "", text)


def test_every_command_daemon_and_file_has_a_page(made: dict[str, Page]) -> None:
    daemons = {"fleet-agent(8)", "fleet-scheduler(8)", "fleet-api(8)", "fleet-lease(8)"}
    assert set(made) == {"fleetctl(1)", "fleet.conf(5)", *daemons, *(f"fleetctl-{name}(1)" for name in COMMANDS)}


def test_pages_are_roff_that_man_reads_without_a_warning(made: dict[str, Page]) -> None:
    for name, page in made.items():
        lines = page.text.splitlines()
        assert lines[0].startswith(
            f'.TH "{page.name.upper().replace("-", chr(92) + "-")}" "{page.section}" "2026-01-02" "f'
        )
        assert page.text.isascii(), name
        headings = [line.removeprefix(".SH ") for line in lines if line.startswith(".SH")]
        assert [heading for heading in headings if heading in ("NAME", "SYNOPSIS", "DESCRIPTION")] == headings[:3]
        assert headings[-1] == "SEE ALSO"
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            assert line, f"{name} has a blank line, which is no paragraph to roff"
            assert not line.startswith("'"), line
            assert line.partition(" ")[0] in MACROS if line.startswith(".") else True, line
            assert line.startswith(".") or "\\" not in ESCAPE.sub("", line), line
            if line.startswith((".SH", ".TP", ".IP", ".PP")):
                assert following, f"{name} ends with {line}"
                assert not following.startswith((".SH", ".PP")), f"{name}: nothing follows {line}"


def test_what_roff_would_take_for_a_request_is_text() -> None:
    page = Page("x", 1, "a\\b", date=MADE, source="fleetpy")
    page.heading("DESCRIPTION")
    page.paragraphs(".SH no\n\n'tis \\fB `a'b` … --long-option fleetctl-start(1)")
    assert page.text.splitlines()[2:] == [
        "x \\- a\\eb",
        ".SH DESCRIPTION",
        "\\&.SH no",
        ".PP",
        "\\&'tis \\efB \\fBa\\(aqb\\fR \\[u2026] \\fB\\-\\-long\\-option\\fR \\fBfleetctl\\-start\\fR(1)",
    ]


def test_a_dash_within_a_word_is_no_option() -> None:
    assert prose("a read-only - or -x one") == "a read-only - or \\fB\\-x\\fR one"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_page_has_its_options_and_examples(made: dict[str, Page], name: str) -> None:
    context = cli.make_context("fleetctl", [], resilient_parsing=True)
    command = cli.get_command(context, name)
    assert isinstance(command, FleetCommand)
    told = plain(made[f"fleetctl-{name}(1)"])
    own = [option for option in command.own_params(context) if isinstance(option, click.Option) and not option.hidden]
    missing = [word for option in own for word in option.opts if word not in told]
    assert not missing
    assert all(example in told for example in command.examples)


def test_fleetctl_s_page_has_commands_global_options_and_their_variables(made: dict[str, Page]) -> None:
    told = plain(made["fleetctl(1)"])
    assert all(f"fleetctl-{name}(1)" in told for name in COMMANDS)
    for option in GLOBAL_OPTIONS:
        if not option.hidden:
            assert f"\n{option.opts[0]}" in told
            assert f"\nFLEETCTL_{option.opts[0].removeprefix('--').replace('-', '_').upper()}\n" in told


def test_a_daemon_s_page_has_what_its_help_has(made: dict[str, Page]) -> None:
    for daemon in DAEMONS:
        if daemon.module:
            options = [term for term, _ in options_of(daemon.module)]
            assert {"-h, --help", "--config PATH", "--verbosity N", "--version"} <= set(options)
            assert all(f"\n{term}\n" in plain(made[f"{daemon.name}(8)"]) for term in options)


def test_the_configuration_s_page_has_every_option(made: dict[str, Page]) -> None:
    told = plain(made["fleet.conf(5)"])
    assert not [option for option in option_names() if f".TP\n{option}\n" not in told]
    assert (
        "How long a machine may be silent before it is taken for dead and its units start elsewhere. Default: 10s."
        in told
    )


def test_the_sample_is_read_in_blocks() -> None:
    text = "# About it. A b=c in words.\n\n# TLS: both\n# of these.\n# a_file=\n# b_file=x\n"
    assert list(read_sample(text)) == [Explained((("a_file", ""), ("b_file", "x")), "TLS: both of these.")]


def test_pages_are_written_into_the_folders_of_their_sections(tmp_path: Path) -> None:
    main(tmp_path)
    assert (tmp_path / "man1" / "fleetctl-start.1").read_text().startswith('.TH "FLEETCTL\\-START" "1"')
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["man1", "man5", "man8"]
