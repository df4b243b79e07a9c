"""What shells are offered; click speaks with them, as with any program of its kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetpy_cli.main import COMMANDS
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
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [FLEETCTL], check=True, capture_output=True, text=True, env={"_FLEETCTL_COMPLETE": f"{shell}_source"}
    )
    assert f"_FLEETCTL_COMPLETE={shell}_complete" in done.stdout
