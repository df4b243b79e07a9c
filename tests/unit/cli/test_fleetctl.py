"""fleetctl as a program: options, help, errors, exit codes, and what it imports."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import fleetpy
from fleetpy_cli.main import COMMANDS, cli
from tests.support.fake_fleetd import FakeFleetd
from tests.support.puppet_cluster import PuppetCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    Fleetctl = Callable[..., Result]

VERSION = f"fleetctl version {fleetpy.__version__}\n"
HELLO = "[Service]\nExecStart=/bin/sleep infinity\n"


@pytest.mark.parametrize("argument", ["version", "--version", "-v"])
def test_the_version(fleetctl: Fleetctl, argument: str) -> None:
    result = fleetctl(argument)
    assert (result.exit_code, result.stdout, result.stderr) == (0, VERSION, "")


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_help_lists_every_command_and_the_version(fleetctl: Fleetctl, arguments: tuple[str, ...]) -> None:
    result = fleetctl(*arguments)
    assert result.exit_code == 0
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)
    assert result.stdout.endswith(VERSION)


def test_help_for_a_command(fleetctl: Fleetctl) -> None:
    about = fleetctl("help", "start").stdout
    assert about == fleetctl("start", "--help").stdout
    assert about.startswith("Usage: fleetctl start [OPTIONS] UNIT…\n")
    assert "--block-attempts N" in about.partition("Global options:")[0]
    assert "--endpoint URL" in about.partition("Global options:")[2]
    assert about.endswith("Examples:\n  fleetctl start hello.service\n  fleetctl start web@{1..3}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_what_the_list_of_commands_says(fleetctl: Fleetctl, name: str) -> None:
    command = cli.get_command(cli.make_context("fleetctl", ["version"]), name)
    assert command is not None
    assert command.name == name
    assert " ".join((command.help or "").partition("\n\n")[0].split()) == COMMANDS[name].summary
    assert fleetctl(name, "--help").exit_code == 0


def test_a_command_may_be_shortened_as_long_as_it_is_clear(fleetctl: Fleetctl) -> None:
    assert fleetctl("vers").stdout == VERSION
    result = fleetctl("list-unit")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'list-unit' could be list-unit-files or list-units" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("frobnicate",), "No such command 'frobnicate'"),
        (("help", "frobnicate"), "there is no command 'frobnicate'"),
        (("start", "--frobnicate"), "No such option"),
        (("start", "--block-attempts=-1", "x"), "--block-attempts"),
        (("cat",), "Missing argument 'UNIT…'"),
        (("list-units", "-o", "xml"), "'xml' is not one of"),
        (("list-units", "--fields", "unit,ip"), 'Invalid key in output format: "ip"; the valid ones are active,hash,'),
        (("list-machines", "--fields", ""), 'Invalid key in output format: ""'),
        (("--request-timeout", "0", "list-units"), "--request-timeout"),
        (("--driver", "etcd", "list-units"), "fleetctl speaks the HTTP API alone"),
        (("--endpoint", "unix://run/fleet.sock", "list-units"), "unix:///run/fleet.sock"),
        (("--endpoint", "http://192.0.2.1", "--ca-file", "ca.pem", "list-units"), "write https://"),
    ],
)
def test_wrong_usage_is_told_and_exits_2(fleetctl: Fleetctl, arguments: tuple[str, ...], says: str) -> None:
    result = fleetctl(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def _collected() -> Iterator[None]:
    """httpcore leaves the socket of a failed connection to the garbage collector, which is called before others may."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.usefixtures("_collected")
def test_a_missing_socket_is_told_with_what_to_do(fleetctl: Fleetctl, tmp_path: Path) -> None:
    result = fleetctl("list-units", FLEETCTL_ENDPOINT=f"unix://{tmp_path}/fleet.sock")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: there is no socket at unix://{tmp_path}/fleet.sock. Is the API running there (systemctl status "
        "fleet-api.socket)? If it is elsewhere, give --endpoint or FLEETCTL_ENDPOINT\n"
    )


def test_global_options_go_before_or_after_the_command(fleetctl: Fleetctl, tmp_path: Path) -> None:
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:
        for arguments in (("--endpoint", endpoint, "list-machines"), ("list-machines", "--endpoint", endpoint)):
            assert fleetctl(*arguments).exit_code == 0


def test_the_command_line_goes_before_the_environment(fleetctl: Fleetctl, tmp_path: Path) -> None:
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:
        for arguments in (("--endpoint", endpoint, "list-machines"), ("list-machines", "--endpoint", endpoint)):
            assert fleetctl(*arguments, FLEETCTL_ENDPOINT="unix:///nowhere").exit_code == 0


def test_every_global_option_has_a_variable(fleetctl: Fleetctl) -> None:
    for variable, value in (
        ("FLEETCTL_ENDPOINT", "nonsense"),
        ("FLEETCTL_REQUEST_TIMEOUT", "-1"),
        ("FLEETCTL_DRIVER", "etcd"),
        ("FLEETCTL_DEBUG", "perhaps"),
    ):
        assert fleetctl("list-units", **{variable: value}).exit_code == 2
    for variable in ("FLEETCTL_CA_FILE", "FLEETCTL_CERT_FILE", "FLEETCTL_KEY_FILE"):
        result = fleetctl("--endpoint=https://192.0.2.1", "list-units", **{variable: "no.pem"})
        assert (result.exit_code, "no.pem" in result.stderr or "together" in result.stderr) == (2, True)


def test_the_driver_may_be_named_as_the_original_s(fleetctl: Fleetctl) -> None:
    assert fleetctl("--driver", "API", "version").exit_code == 0


def test_debug_shows_the_requests(tmp_path: Path) -> None:
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:
        told = run("--debug", "--endpoint", endpoint, "list-machines").stderr.splitlines()
    assert len(told) == 2
    assert told[1].endswith('HTTP Request: GET http://localhost/fleet/v1/machines "HTTP/1.1 200 OK"')


def test_an_interrupted_wait_says_that_the_wish_stands(fleetctl: Fleetctl, here: Path) -> None:
    cluster = PuppetCluster()
    cluster.ignored.add("hello.service")
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    cluster.on_launch["hello.service"] = lambda: signal.pthread_kill(main_thread, signal.SIGINT)
    (here / "hello.service").write_text(HELLO)
    with cluster.serving(here.with_name("fleet.sock")) as endpoint:
        result = fleetctl("--endpoint", endpoint, "start", "hello.service")
    assert result.exit_code == 130
    assert result.stderr.endswith("Error: interrupted; what was asked of the cluster so far stands\n")


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    fleetd = FakeFleetd(machines={f"{number:032}": "10.0.0.1" for number in range(5000)}, page_size=5000)
    with fleetd.serving(tmp_path / "fleet.sock") as endpoint:
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "w") as gone:
            done = run("--endpoint", endpoint, "list-machines", stdout=gone.fileno())
    assert (done.returncode, done.stderr) == (1, "")


def run(
    *arguments: str, python: tuple[str, ...] = (), stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run fleetctl as a program, with arguments for the interpreter before its own."""
    program = (sys.executable, *python, "-c", "from fleetpy_cli.main import main; main()", *arguments)
    return subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ourselves


def imported(*arguments: str) -> set[str]:
    """The modules that a run imports."""
    told = run(*arguments, python=("-X", "importtime")).stderr
    return {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}


def test_commands_import_only_what_they_use(tmp_path: Path) -> None:
    heavy = {"httpx", "rich", "pydantic", "asyncio", "fleetpy.unit.file"}
    assert not imported("version") & heavy
    assert not imported("help") & heavy
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:
        assert imported("list-machines", "--endpoint", endpoint) & heavy == {"httpx"}
