"""What shells are offered; click speaks with them, as with any program of its kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import CompletionItem

from fleetpy_cli.commands import COMMANDS
from fleetpy_cli.main import COMPLETE, cli
from fleetpy_cli.shells import BackslashZsh
from tests.support.fake_fleetd import M1, M2, FakeFleetd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Complete = Callable[[str], list[str]]

FLEETCTL = str(Path(sys.executable).with_name("fleetctl"))
HELLO = "[Service]\nExecStart=/bin/sleep infinity\n"


def ask(line: str, here: Path, endpoint: str) -> list[str]:
    """What bash is told for a command line whose last word is being typed."""
    done = subprocess.run(  # noqa: S603 - our own program
        [FLEETCTL],
        check=True,
        capture_output=True,
        text=True,
        cwd=here,
        env={
            "_FLEETCTL_COMPLETE": "bash_complete",
            "COMP_LINE": line,
            "COMP_WORDBREAKS": " \t\n\"'@><=;|&(:",
            "FLEETCTL_ENDPOINT": endpoint,
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    assert not done.stderr
    return [answer.removeprefix("plain,") for answer in done.stdout.splitlines() if answer]


@pytest.fixture
def complete(fleetd: FakeFleetd, here: Path) -> Iterator[Complete]:
    fleetd.add("hello.service", HELLO, "launched", M1)
    fleetd.add("web@1.service", HELLO, "launched", M2)
    with fleetd.serving(here.with_name("fleet.sock")) as endpoint:
        yield lambda line: ask(line, here, endpoint)


def test_commands_and_global_options(complete: Complete) -> None:
    assert complete("fleetctl ") == sorted(COMMANDS)
    assert complete("fleetctl list-u") == ["list-unit-files", "list-units"]
    assert complete("fleetctl --tu") == ["--tunnel"]
    assert complete("fleetctl help list-u") == ["list-unit-files", "list-units"]


def test_units_of_the_cluster(complete: Complete) -> None:
    assert complete("fleetctl stop ") == ["hello.service", "web@1.service"]
    assert complete("fleetctl stop hello.service ") == ["web@1.service"]
    assert complete("fleetctl status w") == ["web@1.service"]
    assert complete("fleetctl journal -f h") == ["hello.service"]


def test_unit_files_and_units_for_what_takes_both(complete: Complete, here: Path) -> None:
    for name in ("db.service", "notes.txt", ".hidden.service"):
        (here / name).write_text(HELLO)
    (here / "units").mkdir()
    (here / "units" / "deep.timer").write_text(HELLO)
    assert complete("fleetctl start ") == ["db.service", "hello.service", "units/", "web@1.service"]
    assert complete("fleetctl submit ") == ["db.service", "units/"]
    assert complete("fleetctl submit units/") == ["units/deep.timer"]


def test_machines_and_units_for_ssh(complete: Complete) -> None:
    assert complete("fleetctl ssh ") == [M2, M1, "hello.service", "web@1.service"]
    assert complete("fleetctl ssh --machine 8") == [M1]
    assert complete("fleetctl ssh --unit ") == ["hello.service", "web@1.service"]


def test_a_cluster_that_is_away_has_no_names(here: Path) -> None:
    assert ask("fleetctl stop ", here, f"unix://{here}/none.sock") == []


def test_bash_is_given_what_lies_behind_the_end_of_its_own_word(
    complete: Complete, fleetd: FakeFleetd, here: Path
) -> None:
    for name in ("a:b.service", "a:bc@1.service", "dev-x\\x2dy@1.mount"):
        fleetd.add(name, HELLO)
    (here / "my units").mkdir()
    for line, offered in {
        "fleetctl stop we": ["web@1.service"],
        "fleetctl stop web@": ["@1.service"],
        "fleetctl stop web@1": ["@1.service"],
        "fleetctl stop a": ["a:b.service", "a:bc@1.service"],
        "fleetctl stop a:b": ["b.service", "bc@1.service"],
        "fleetctl stop a:bc@": ["@1.service"],
        "fleetctl stop dev": [r"dev-x\\x2dy@1.mount"],
        r"fleetctl stop dev-x\\x2dy@": ["@1.mount"],
        "fleetctl list-units --output=j": ["json"],
        "fleetctl --debug=true stop we": ["web@1.service"],
        "fleetctl submit my": [r"my\ units/"],
    }.items():
        assert complete(line) == offered


def test_bash_itself_runs_the_script(complete: Complete, here: Path) -> None:
    assert complete("fleetctl stop hel") == ["hello.service"]
    script = """
        eval "$(_FLEETCTL_COMPLETE=bash_source fleetctl)"
        COMP_LINE='fleetctl stop web@  and what is behind the cursor'; COMP_POINT=18
        _fleetctl_completion fleetctl; printf '%s\n' "${COMPREPLY[@]}"; complete -p fleetctl
    """
    done = subprocess.run(  # noqa: S603 - our own words
        ["bash", "--norc", "-c", script],  # noqa: S607 - the system's bash
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": f"{Path(FLEETCTL).parent}:/usr/bin:/bin",
            "FLEETCTL_ENDPOINT": f"unix://{here.with_name('fleet.sock')}",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    assert (done.stdout, done.stderr) == (
        "@1.service\ncomplete -o nosort -F _fleetctl_completion fleetctl\n",
        "",
    )


def test_zsh_s_values_keep_their_backslashes() -> None:
    described = CompletionItem("a:b\\x2d.mount", help="A mount: that")
    zsh = BackslashZsh(cli, {}, "fleetctl", COMPLETE)
    assert zsh.format_completion(described) == "plain\na\\:b\\\\x2d.mount\nA mount: that"
    assert zsh.format_completion(CompletionItem("a\\x2d")) == "plain\na\\x2d\n_"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [FLEETCTL], check=True, capture_output=True, text=True, env={"_FLEETCTL_COMPLETE": f"{shell}_source"}
    )
    assert f"_FLEETCTL_COMPLETE={shell}_complete" in done.stdout
