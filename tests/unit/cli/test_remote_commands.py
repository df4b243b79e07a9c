"""ssh, journal and status: which machine they go to, how, and what they run there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetpy_cli.machines import local_machine
from tests.support.fake_fleetd import M1, M2, FakeFleetd
from tests.support.fake_ssh import FakeSSH, install_fake_ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    Fleetctl = Callable[..., Result]

FLEETCTL = str(Path(sys.executable).with_name("fleetctl"))
HELLO = "[Service]\nExecStart=/bin/sleep infinity\n"
EVERYWHERE = f"{HELLO}\n[X-Fleet]\nGlobal=true\n"
TO_M1 = ["-o", "ConnectTimeout=10", "-l", "core", "--", "172.18.0.3"]


@pytest.fixture
def ssh(tmp_path: Path) -> FakeSSH:
    return install_fake_ssh(tmp_path / "bin")


@pytest.fixture
def remote(fleetctl: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH, here: Path) -> Iterator[Fleetctl]:
    """`fleetctl` with a cluster that has hello.service on the first machine, and with the fake ssh."""
    fleetd.add("hello.service", HELLO, "launched", M1)
    with fleetd.serving(here.with_name("fleet.sock")) as endpoint:
        yield lambda *arguments, **environment: fleetctl(
            *arguments, **{"FLEETCTL_ENDPOINT": endpoint, **ssh.environment, **environment}
        )


@pytest.mark.parametrize(
    "target",
    [
        (M1,),
        ("85c0",),
        ("85c0c595...",),
        ("172.18.0.3",),
        ("hello.service",),
        ("hello",),
        ("--machine", "85c0"),
        ("--machine=85c0",),
        ("--unit", "hello"),
    ],
)
def test_a_shell_on_a_machine_however_it_is_named(remote: Fleetctl, ssh: FakeSSH, target: tuple[str, ...]) -> None:
    result = remote("ssh", *target)
    assert (result.exit_code, result.stderr) == (0, "")
    assert ssh.calls() == [TO_M1]


@pytest.mark.parametrize(
    "words",
    [
        ("hello", "ls", "-la", "--color"),
        ("hello", "--", "ls", "-la", "--color"),
        ("--unit", "hello", "ls", "-la", "--color"),
        ("--unit=hello", "--", "ls", "-la", "--color"),
    ],
)
def test_options_behind_a_command_are_the_command_s(remote: Fleetctl, ssh: FakeSSH, words: tuple[str, ...]) -> None:
    assert remote("ssh", *words).exit_code == 0
    assert ssh.calls() == [[*TO_M1, "ls", "-la", "--color"]]


def test_a_remote_command_s_options_are_left_as_they_are(remote: Fleetctl, ssh: FakeSSH) -> None:
    words = ["true", "--l", "--debug=false", "--etcd-cafile=x", "--strict-host-key-checking"]
    for target in (("hello",), ("hello", "--"), ("--unit", "hello", "--")):
        assert remote("ssh", *target, *words).exit_code == 0
        assert ssh.calls()[-1] == [*TO_M1, *words]


@pytest.mark.parametrize("option", ["-A", "--A", "--forward-agent", "--forward-agent=true"])
def test_options_may_stand_behind_the_machine(remote: Fleetctl, ssh: FakeSSH, option: str) -> None:
    assert remote("ssh", "85c0", option, "--ssh-port", "2222", "--ssh-username=root", "true").exit_code == 0
    head = ["-o", "ConnectTimeout=10", "-l", "root", "-p", "2222"]
    assert ssh.calls() == [[*head, "-A", "--", "172.18.0.3", "true"]]


def test_the_exit_code_is_the_command_s(remote: Fleetctl) -> None:
    result = remote("ssh", "hello", "exit", "7")
    assert (result.exit_code, result.stderr) == (7, "")


def test_the_exit_code_is_128_and_the_signal_s_number_if_ssh_is_killed(remote: Fleetctl) -> None:
    assert remote("ssh", "hello", "kill -TERM $$").exit_code == 128 + 15


def test_a_machine_that_cannot_be_reached_is_told_with_what_to_do(remote: Fleetctl) -> None:
    result = remote("ssh", "hello", "true", FAKE_SSH_DEAD="172.18.0.3")
    assert result.exit_code == 255
    assert result.stderr.startswith("Error: ssh to core@172.18.0.3 ended with 255")


def test_without_openssh_that_is_said(remote: Fleetctl, ssh: FakeSSH) -> None:
    (ssh.folder / "ssh").chmod(0o644)
    result = remote("ssh", "hello", PATH=str(ssh.folder))
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: the program ssh cannot be run here: Permission denied; install OpenSSH's client\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "one machine or unit must be given"),
        (("--machine", "85c0", "--unit", "hello"), 2, "both --machine and --unit"),
        (("nothing",), 1, "neither a machine nor a unit 'nothing'"),
        (("!?",), 1, "neither a machine nor a unit '!?'"),
        (("--machine", "9"), 1, "there is no machine '9'"),
        (("--unit", "nothing"), 1, "there is no unit 'nothing'"),
        (("everywhere",), 1, "everywhere.service is global"),
        (("idle",), 1, "idle.service is on no machine"),
    ],
)
def test_what_cannot_be_reached_is_told(
    remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH, arguments: tuple[str, ...], code: int, says: str
) -> None:
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    fleetd.add("idle.service", HELLO)
    fleetd.units["idle.service"].machine = ""
    result = remote("ssh", *arguments)
    assert (result.exit_code, ssh.calls()) == (code, [])
    assert says in result.stderr


def test_machines_that_an_ambiguous_beginning_could_mean_are_named(remote: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.machines = {"85a" + "0" * 29: "172.18.0.8", "85b" + "0" * 29: "172.18.0.9"}
    result = remote("ssh", "85")
    assert result.exit_code == 1
    assert f"85a{'0' * 29}/172.18.0.8, 85b{'0' * 29}/172.18.0.9; give more digits" in result.stderr


def test_a_name_of_both_a_machine_and_a_unit_is_asked_back(remote: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("85c0.service", HELLO, "launched", M2)
    result = remote("ssh", "85c0")
    assert (result.exit_code, "say --machine 85c0 or --unit 85c0" in result.stderr) == (1, True)


def test_what_is_said_about_host_keys_is_said_to_openssh(remote: Fleetctl, ssh: FakeSSH, tmp_path: Path) -> None:
    never = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null"]
    keys = tmp_path / "keys" / "known_hosts"
    for said, wanted in (
        (["--strict-host-key-checking=false", f"--known-hosts-file={keys}"], [*never, "LogLevel=ERROR"]),
        (["--strict-host-key-checking", "--ssh-timeout=2.5"], ["StrictHostKeyChecking=ask"]),
        ([f"--known-hosts-file={keys}"], [f"UserKnownHostsFile={keys}"]),
    ):
        assert remote(*said, "ssh", "hello").exit_code == 0
        timeout = "ConnectTimeout=3" if "--ssh-timeout=2.5" in said else "ConnectTimeout=10"
        options = [word for option in (timeout, *wanted) for word in ("-o", option)]
        assert ssh.calls()[-1] == [*options, "-l", "core", "--", "172.18.0.3"]
    assert keys.parent.is_dir()


def test_every_ssh_option_has_a_variable(remote: Fleetctl, ssh: FakeSSH) -> None:
    result = remote(
        "ssh",
        "hello",
        FLEETCTL_SSH_USERNAME="root",
        FLEETCTL_SSH_TIMEOUT="4",
        FLEETCTL_SSH_PORT="2222",
        FLEETCTL_KNOWN_HOSTS_FILE="/dev/null",
        FLEETCTL_STRICT_HOST_KEY_CHECKING="true",
        FLEETCTL_TUNNEL="bastion",
    )
    assert result.exit_code == 0
    said = ssh.calls()[-2]
    assert [word for word in said if not word.startswith("ProxyCommand=")] == [
        *("-o", "ConnectTimeout=4", "-o", "StrictHostKeyChecking=ask", "-o", "UserKnownHostsFile=/dev/null"),
        *("-l", "root", "-p", "2222", "-o", "--", "172.18.0.3"),
    ]


def test_the_journal_is_read_on_the_unit_s_machine(remote: Fleetctl, ssh: FakeSSH) -> None:
    assert remote("journal", "hello").exit_code == 0
    assert ssh.calls() == [[*TO_M1, "journalctl --unit hello.service --no-pager -n 10 --output short"]]


def test_the_journal_s_options(remote: Fleetctl, ssh: FakeSSH) -> None:
    assert remote("journal", "--f", "--lines=3", "--output", "cat", "--sudo", "--ssh-port=7", "hello").exit_code == 0
    words = ["--unit", "hello.service", "--no-pager", "-n", "3", "--output", "cat", "-f"]
    assert ssh.calls("sudo") == [["journalctl", *words]]
    assert ssh.calls("journalctl") == [words]
    assert ssh.calls()[0][4:6] == ["-p", "7"]


def test_a_unit_s_name_reaches_the_machine_whole(remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH) -> None:
    fleetd.add("a\\x20b@1.service", HELLO, "launched", M1)
    assert remote("journal", "a\\x20b@1").exit_code == 0
    assert ssh.calls("journalctl")[0][:2] == ["--unit", "a\\x20b@1.service"]


def test_the_exit_code_is_journalctl_s(remote: Fleetctl) -> None:
    assert remote("journal", "hello", FAKE_JOURNALCTL_CODE="4").exit_code == 4


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "Unit nothing.service does not exist; list-unit-files shows"),
        ("idle", "Unit idle.service does not appear to be running."),
        ("everywhere", "Unable to retrieve journal of global unit everywhere.service"),
    ],
)
def test_a_unit_without_a_journal_of_one_machine(remote: Fleetctl, fleetd: FakeFleetd, name: str, says: str) -> None:
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    fleetd.add("idle.service", HELLO)
    result = remote("journal", name)
    assert (result.exit_code, says in result.stderr) == (1, True)


def test_a_global_unit_s_journal_on_a_machine_that_is_named(remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH) -> None:
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    assert remote("journal", "everywhere", "--machine", "113f").exit_code == 0
    assert ssh.calls()[0][5] == "172.18.0.4"


def test_on_the_unit_s_own_machine_there_is_no_ssh(remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH) -> None:
    here = local_machine()
    assert here is not None
    fleetd.machines[here] = "172.18.0.5"
    fleetd.add("local.service", HELLO, "launched", here)
    assert remote("journal", "local", FAKE_JOURNALCTL_CODE="5").exit_code == 5
    assert remote("status", "local").exit_code == 0
    assert ssh.calls() == []
    assert ssh.calls("systemctl") == [["status", "-l", "--no-pager", "local.service"]]


def test_status_of_several_units_with_a_line_between_them(
    remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH, capfd: pytest.CaptureFixture[str]
) -> None:
    fleetd.add("other.service", HELLO, "launched", M2)
    result = remote("status", "hello", "other.service")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "\n", "")
    assert capfd.readouterr().out == "systemctl was here\n" * 2
    assert [words[-2:] for words in ssh.calls()] == [
        ["172.18.0.3", "systemctl status -l --no-pager hello.service"],
        ["172.18.0.4", "systemctl status -l --no-pager other.service"],
    ]


def test_status_takes_patterns(remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH) -> None:
    fleetd.add("other.service", HELLO, "launched", M2)
    assert remote("status", "h*").exit_code == 0
    assert ssh.calls("systemctl") == [["status", "-l", "--no-pager", "hello.service"]]


def test_status_ends_with_the_first_unit_that_is_not_well(remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH) -> None:
    fleetd.add("other.service", HELLO, "launched", M2)
    assert remote("status", "hello", "other", FAKE_SYSTEMCTL_CODE="3").exit_code == 3
    assert len(ssh.calls()) == 1


def test_status_of_a_global_unit_is_that_of_each_machine(remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH) -> None:
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    result = remote("status", "everywhere")
    assert (result.exit_code, result.stdout) == (
        0,
        "# everywhere.service on 113f16a7.../172.18.0.4\n\n# everywhere.service on 85c0c595.../172.18.0.3\n",
    )
    assert [words[-2] for words in ssh.calls()] == ["172.18.0.4", "172.18.0.3"]


def test_status_of_what_is_nowhere_exits_1(remote: Fleetctl, fleetd: FakeFleetd, ssh: FakeSSH) -> None:
    fleetd.add("idle.service", HELLO)
    result = remote("status", "idle", "nothing", "hello")
    assert result.exit_code == 1
    assert "Unit idle.service does not appear to be loaded." in result.stderr
    assert "Unit nothing.service does not exist; list-unit-files shows" in result.stderr
    assert ssh.calls("systemctl") == [["status", "-l", "--no-pager", "hello.service"]]


def test_a_machine_that_has_left_is_told(remote: Fleetctl, fleetd: FakeFleetd) -> None:
    del fleetd.machines[M1]
    result = remote("journal", "hello")
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: machine {M1} is not in the cluster now; list-machines shows those that are\n",
    )


def test_debug_shows_what_is_run(remote: Fleetctl) -> None:
    assert "+ ssh -o ConnectTimeout=10 -l core -- 172.18.0.3 true\n" in remote("--debug", "ssh", "hello", "true").stderr


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 128 + 15), (signal.SIGKILL, -9)])
def test_a_fleetctl_that_is_ended_ends_what_it_runs(
    fleetd: FakeFleetd, ssh: FakeSSH, here: Path, ending: signal.Signals, code: int
) -> None:
    fleetd.add("hello.service", HELLO, "launched", M1)
    with fleetd.serving(here.with_name("fleet.sock")) as endpoint:
        command = [FLEETCTL, "--endpoint", endpoint, "ssh", "hello", "echo begun; exec sleep 600"]
        with subprocess.Popen(  # noqa: S603 - our own program
            command, stdout=subprocess.PIPE, text=True, env=ssh.environment
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            process.send_signal(ending)
            assert process.wait(30) == code
            assert not process.stdout.read()  # nobody has the other end any more
