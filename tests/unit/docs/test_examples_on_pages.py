"""What pages show can be used as it stands: unit files are accepted, command lines are fleetctl's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import read_requirements
from fleetpy_cli.commands import COMMANDS
from fleetpy_cli.main import cli

ROOT = Path(__file__).parents[3]
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text() for page in (ROOT / "docs").rglob("*.md")}
PAGES["README.md"] = (ROOT / "README.md").read_text()
OPERATORS = {"|", "||", "&&", ";", "&", ">"}


def blocks(language: str) -> list[tuple[str, str]]:
    """Each page's fenced blocks in that language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(page, block) for page, text in sorted(PAGES.items()) for block in fence.findall(text)]


UNITS = [(page, block) for page, block in blocks("ini") if re.search(r"^\[", block, re.MULTILINE)]


def commands(line: str) -> list[list[str]]:
    """The arguments of each fleetctl that a line of shell runs, `{1..3}` and the like left as they are."""
    words = shlex.shlex(line.removesuffix("\\"), posix=True, punctuation_chars="|&;>")
    words.whitespace_split = True
    found: list[list[str]] = []
    ours: list[str] | None = None
    first = True
    for word in words:
        if word in OPERATORS:
            ours, first = None, True
        elif ours is not None:
            ours.append(word)
        elif first and "=" not in word:
            first = False
            if word == "fleetctl":
                ours = []
                found.append(ours)
    return found


def shown_commands() -> list[tuple[str, list[str]]]:
    """Every fleetctl command line of a console block, and of the plain blocks that are only indented."""
    lines = [(page, line[2:]) for page, block in blocks("console") for line in block.splitlines() if line[:2] == "$ "]
    for page, text in sorted(PAGES.items()):
        lines += [(page, line) for line in re.findall(r"^ {4}(fleetctl (?!-->).*)$", text, re.MULTILINE)]
    return [(page, arguments) for page, line in lines for arguments in commands(line)]


COMMAND_LINES = shown_commands()


@pytest.mark.parametrize(("page", "text"), UNITS, ids=[text.splitlines()[0] for _, text in UNITS])
def test_a_unit_file_on_a_page_has_a_name_and_is_accepted(page: str, text: str) -> None:
    name = text.partition("\n")[0].removeprefix("# ")
    file = UnitFile.parse(text)
    read_requirements(parse_unit_name(name), file)
    if "@." in name:
        read_requirements(parse_unit_name(name.replace("@.", "@1.")), file)
    sections = {section for section, _, _ in file.options}
    assert sections & {"Service", "Socket", "Timer", "Mount"}, page


@pytest.mark.parametrize(("page", "arguments"), COMMAND_LINES, ids=[" ".join(words) for _, words in COMMAND_LINES])
def test_a_command_line_on_a_page_has_commands_and_options_that_there_are(page: str, arguments: list[str]) -> None:
    context = cli.make_context("fleetctl", [], resilient_parsing=True)
    _, rest, _ = cli.make_parser(context).parse_args(list(arguments))
    assert rest, page
    command = cli.get_command(context, rest[0])
    assert command is not None, rest[0]
    within = click.Context(command, info_name=rest[0], parent=context, resilient_parsing=False)
    command.make_parser(within).parse_args(rest[1:])


def test_there_are_many_examples_and_every_command_of_a_user_s_has_one() -> None:
    guide = [words for page, words in COMMAND_LINES if page == "docs/guide/fleetctl.md"]
    used = {word for words in guide for word in words}
    assert set(COMMANDS) - used == {"help", "version", "fd-forward"}
    assert len(UNITS) > 10


def test_commands_within_sentences_exist() -> None:
    named = {
        (page, word) for page, text in PAGES.items() for word in re.findall(r"`fleetctl ([a-z][a-z-]+)\b[^`]*`", text)
    }
    assert {(page, word) for page, word in named if word not in COMMANDS} == set()


def test_a_wrong_example_would_be_seen() -> None:
    assert commands("A=b fleetctl list-units -o name | xargs fleetctl x; fleetctl stop 'a*'  # why") == [
        ["list-units", "-o", "name"],
        ["stop", "a*"],
    ]
    with pytest.raises(click.NoSuchOption):
        test_a_command_line_on_a_page_has_commands_and_options_that_there_are("here", ["start", "--relpace", "x"])
