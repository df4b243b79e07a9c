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
from fleetpy_cli.commands import COMMANDS
from fleetpy_cli.main import cli
from fleetpy_cli.spelling import FORMER
from tests.support.fake_fleetd import FakeFleetd
from tests.support.puppet_cluster import PuppetCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    Fleetctl = Callable[..., Result]

VERSION = f"fleetctl version {fleetpy.__version__}\n"
HELLO = "[Service]\nExecStart=/bin/sleep infinity\n"


@pytest.mark.parametrize("arguments", [("version",), ("--version",), ("-v",), ("start", "x", "--version")])
def test_the_version(fleetctl: Fleetctl, arguments: tuple[str, ...]) -> None:
    result = fleetctl(*arguments)
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
    assert "'list' could be list-machines, list-unit-files or list-units" in fleetctl("list").stderr
    assert "'list-unit' could be list-unit-files or list-units" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("frobnicate",), "there is no command 'frobnicate'; `fleetctl help` lists them"),
        (("strat", "x"), "there is no command 'strat'; did you mean start or status? `fleetctl help` lists them"),
        (("help", "frobnicate"), "there is no command 'frobnicate'"),
        (("start", "--frobnicate"), "No such option"),
        (("start", "--replce", "x"), "Did you mean '--replace'?"),
        (("start", "--replace=perhaps", "x"), "--replace"),
        (
            ("start", "--block-attempts=-1", "x"),
            "'--block-attempts': '-1' is not what it takes; write a whole number of",
        ),
        (
            ("ssh", "--ssh-port=70000", "x"),
            "'--ssh-port': '70000' is not what it takes; write a whole number from 1 to",
        ),
        (("cat",), "Missing argument 'UNIT…'"),
        (("list-units", "-o", "xml"), "'xml' is not one of"),
        (("list-units", "--fields", "unit,ip"), 'Invalid key in output format: "ip"; the valid ones are active,hash,'),
        (("list-machines", "--fields", ""), 'Invalid key in output format: ""'),
        (("--request-timeout", "0", "list-units"), "'--request-timeout': '0' is no number of seconds; write a number"),
        (("--request-timeout", "abc", "list-units"), "'--request-timeout': 'abc' is no number of seconds; write a "),
        (("list-units", "--ssh-timeout=nan"), "'--ssh-timeout': 'nan' is no number of seconds; write a number above 0"),
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


def test_what_is_wrong_in_the_environment_is_told_by_its_variable(fleetctl: Fleetctl) -> None:
    result = fleetctl("list-units", FLEETCTL_REQUEST_TIMEOUT="soon")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'FLEETCTL_REQUEST_TIMEOUT': 'soon' is no number of seconds" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("--experimental-api",), {}, "--experimental-api is deprecated and has no effect: the HTTP API is the only"),
        ((), {"FLEETCTL_EXPERIMENTAL_API": "true"}, "FLEETCTL_EXPERIMENTAL_API is deprecated and has no effect"),
        (("--etcd-key-prefix=/x",), {}, "--etcd-key-prefix is deprecated and has no effect: fleetctl never speaks to"),
        ((), {"FLEETCTL_ETCD_KEY_PREFIX": "/x"}, "FLEETCTL_ETCD_KEY_PREFIX is deprecated and has no effect"),
        (("--endpoint=ENDPOINT,http://192.0.2.1",), {}, "several endpoints are given; the first one is used, unix://"),
    ],
)
def test_what_the_original_took_without_effect_is_taken_and_told_once(
    fleetctl: Fleetctl, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:
        given = [argument.replace("ENDPOINT", endpoint) for argument in arguments]
        for words in (["list-machines", *given], [*given, "list-machines"]):
            result = fleetctl(*words, **{"FLEETCTL_ENDPOINT": endpoint, **environment})
            assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
            assert result.stderr.startswith(f"WARNING: {says}")


@pytest.mark.parametrize("verb", ["submit", "load", "start"])
def test_signing_has_no_effect_as_in_the_last_original(fleetctl: Fleetctl, verb: str) -> None:
    result = fleetctl(verb, "--sign")
    assert (result.exit_code, result.stderr) == (
        0,
        "WARNING: --sign is deprecated and has no effect: units are not signed\nNo units given\n",
    )


@pytest.mark.parametrize(("former", "now"), sorted(FORMER.items()))
def test_the_original_s_former_names_of_tls_options_stand_for_the_present_ones(
    fleetctl: Fleetctl, former: str, now: str
) -> None:
    wanted = fleetctl(f"{now}=no.pem", "--endpoint=https://192.0.2.1", "list-units")
    assert (wanted.exit_code, "no.pem" in wanted.stderr or "together" in wanted.stderr) == (2, True)
    variable = f"FLEETCTL_{former.removeprefix('--').upper().replace('-', '_')}"
    for arguments, environment in (
        ((former, "no.pem", "--endpoint=https://192.0.2.1", "list-units"), {}),
        (("list-units", "--endpoint=https://192.0.2.1", f"{former}=no.pem"), {}),
        (("--endpoint=https://192.0.2.1", "list-units"), {variable: "no.pem"}),
    ):
        result = fleetctl(*arguments, **environment)
        assert (result.exit_code, result.stderr) == (2, wanted.stderr)


def test_deprecated_options_are_in_no_help(fleetctl: Fleetctl) -> None:
    for command in COMMANDS:
        told = fleetctl(command, "--help").stdout
        assert not [option for option in ("--sign", "--experimental-api", "--etcd-", "--l,") if option in told]


def test_switches_may_have_a_value_and_one_letter_two_dashes_as_with_the_original(
    fleetctl: Fleetctl, tmp_path: Path
) -> None:
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:

        def listed(*words: str) -> str:
            result = fleetctl("list-machines", "--endpoint", endpoint, *words)
            assert (result.exit_code, result.stderr) == (0, "")
            return result.stdout

        assert listed("--full") == listed("--full=true") == listed("--l") == listed("-l") == listed("--l=1")
        assert listed() == listed("--full=false") == listed("--no-legend=F") == listed("--debug=false")
        assert listed("--full") != listed()
    assert fleetctl("--h").stdout == fleetctl("--help").stdout
    assert fleetctl("start", "--h").stdout == fleetctl("start", "--help").stdout


def test_the_driver_may_be_named_as_the_original_s(fleetctl: Fleetctl) -> None:
    assert fleetctl("--driver", "API", "version").exit_code == 0


def test_debug_shows_the_requests(tmp_path: Path) -> None:
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:
        told = run("--debug", "--endpoint", endpoint, "list-machines").stderr.splitlines()
    assert len(told) == 2
    assert told[1].endswith('HTTP Request: GET http://localhost/fleet/v1/machines "HTTP/1.1 200 OK"')


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell has what it starts in the background ignore SIGINT, and that is handed down."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
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
    heavy = {"httpx", "rich", "pydantic", "msgspec", "difflib", "asyncio", "fleetpy.unit.file"}
    assert not imported("version") & heavy
    assert not imported("help") & heavy
    with FakeFleetd().serving(tmp_path / "fleet.sock") as endpoint:
        assert imported("list-machines", "--endpoint", endpoint) & heavy == {"httpx"}
