"""verify: what would be refused, and what systemd thinks of it. No cluster is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Fleetctl = Callable[..., Result]

GOOD = "[Service]\nExecStart=/bin/sleep infinity\n"
NO_SYSTEMD = "/nonexistent"


@pytest.fixture
def analyze(tmp_path: Path) -> str:
    """A `systemd-analyze` that has something to say of every unit, and of another; gives a PATH with it alone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "systemd-analyze"
    program.write_text(
        '#!/bin/sh\nfor file; do :; done\n'
        'echo "$file:2: Unknown key in section [Service], ignoring." >&2\n'
        'echo "other.service: Command /bin/nothing is not executable" >&2\n'
        'test "$1" = verify || exit 9\nexit 1\n'
    )  # fmt: skip
    program.chmod(0o755)
    return str(folder)


def test_a_unit_that_would_be_accepted(fleetctl: Fleetctl, here: Path) -> None:
    (here / "hello.service").write_text(GOOD)
    result = fleetctl("verify", "hello", PATH=NO_SYSTEMD)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "hello.service: would be accepted\n", "")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("hello.service", f"{GOOD}[X-Fleet]\nConflict=a\n", "Conflicts"),
        ("hello.service", f"{GOOD}[X-Fleet]\nGlobal=true\nMachineOf=a.service\n", "Global"),
        ("hello.service", "[Service\nExecStart=/bin/true\n", "line 1"),
        ("hello.service", "", "is empty"),
        ("hello.service", f"[Service]\nExecStart={'x' * 600_000}\n", "more than the 524288 that it may have"),
        ("hello.service", "[Service]\n" + "A=\n" * 10_001, "has 10001 options, more than the 10000"),
        (f"{'x' * 240}.service", f"[{'x' * 256}]\n", "more than the 255"),
        ("hello.txt.nothing", GOOD, "hello.txt.nothing"),
    ],
)
def test_what_would_be_refused_is_told(fleetctl: Fleetctl, here: Path, name: str, text: str, says: str) -> None:
    (here / name).write_text(text)
    result = fleetctl("verify", name, PATH=NO_SYSTEMD)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr


def test_a_file_without_an_end_is_refused_as_too_long(fleetctl: Fleetctl, here: Path) -> None:
    (here / "hello.service").symlink_to("/dev/zero")
    result = fleetctl("verify", "hello", PATH=NO_SYSTEMD)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "more than the 524288 that it may have" in result.stderr


def test_a_name_that_is_too_long_is_refused(fleetctl: Fleetctl) -> None:
    result = fleetctl("verify", "x" * 250)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is longer than 255 bytes" in result.stderr


def test_every_unit_is_looked_at(fleetctl: Fleetctl, here: Path) -> None:
    (here / "bad.service").write_text(f"{GOOD}[X-Fleet]\nConflict=a\n")
    (here / "web@.service").write_text(GOOD)
    result = fleetctl("verify", "bad", "none", "web@.service", "web@1", PATH=NO_SYSTEMD)
    assert result.exit_code == 1
    assert result.stdout == "web@.service: would be accepted\nweb@1.service: would be accepted\n"
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["Error", "Error"]
    assert "there is no file none.service" in result.stderr


def test_what_systemd_finds_is_a_warning(fleetctl: Fleetctl, here: Path, analyze: str) -> None:
    (here / "web@.service").write_text(GOOD)
    result = fleetctl("verify", "web@1", PATH=analyze)
    assert (result.exit_code, result.stdout) == (0, "web@1.service: would be accepted\n")
    assert result.stderr == "WARNING: systemd-analyze: web@1.service:2: Unknown key in section [Service], ignoring.\n"
