"""`fleet-api` as a process: started by hand or by a socket, told to end, left alone; etcd is away all the time."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from fleetpy import __version__
from fleetpy_api.listen import open_socket
from tests.support.process import FLEET_API, PATIENCE, notifications, running, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def ask(path: Path, question: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://fleet", timeout=PATIENCE) as http:
        return http.get(question)


def config(tmp_path: Path, text: str = "") -> list[str]:
    """A configuration file of the test's own, as arguments."""
    file = tmp_path / "fleet.conf"
    file.write_text(text)
    return ["--config", str(file)]


def test_by_hand_it_opens_its_own_socket_and_removes_it_when_told_to_end(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sock"
    command = [*FLEET_API, *config(tmp_path), "--socket", str(path)]
    with notifications(tmp_path / "notify") as manager, running(command, manager) as process:
        assert ask(path, "/").status_code == 405
        process.send_signal(signal.SIGTERM)
        assert wait_for(manager, "STOPPING=1")
        assert process.wait(PATIENCE) == 0
        assert not path.exists()


def test_while_etcd_is_away_it_serves_sentences(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sock"
    command = [*FLEET_API, *config(tmp_path), "--socket", str(path)]
    with notifications(tmp_path / "notify") as manager, running(command, manager) as process:
        answer = ask(path, "/fleetpy/v1/health")
        assert answer.status_code == 503
        assert answer.json()["error"]["message"].startswith("fleet-api cannot read the cluster's state: ")
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.communicate(timeout=PATIENCE)[1]


def test_started_by_its_socket_it_ends_when_nobody_asks_and_leaves_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sock"
    command = [*FLEET_API, *config(tmp_path, "api_idle_timeout=0.5s\n")]
    with (
        open_socket(path) as listener,
        notifications(tmp_path / "notify") as manager,
        running(command, manager, listener) as process,
    ):
        assert ask(path, "/").status_code == 405
        assert process.wait(PATIENCE) == 0
        assert path.exists()
        with running(command, manager, listener):
            assert ask(path, "/").status_code == 405


def test_by_hand_it_does_not_end_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "fleet.sock"
    command = [*FLEET_API, *config(tmp_path, "api_idle_timeout=0.01s\n"), "--socket", str(path)]
    with notifications(tmp_path / "notify") as manager, running(command, manager) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert ask(path, "/").status_code == 405


def test_the_watchdog_is_fed(tmp_path: Path) -> None:
    command = [*FLEET_API, *config(tmp_path), "--socket", str(tmp_path / "fleet.sock")]
    with notifications(tmp_path / "notify") as manager, running(command, manager, WATCHDOG_USEC="200000"):
        for _ in range(3):
            assert wait_for(manager, "WATCHDOG=1")


@pytest.mark.parametrize(
    ("arguments", "text", "code", "words"),
    [
        ([], "colour=red\n", 2, "colour: there is no such option"),
        (["--socket", "/nonexistent/fleet.sock"], "", 1, "cannot listen on /nonexistent/fleet.sock"),
        (["--frobnicate"], "", 2, "unrecognized arguments"),
    ],
)
def test_what_cannot_work_is_one_line_and_an_exit_code(
    tmp_path: Path, arguments: list[str], text: str, code: int, words: str
) -> None:
    done = subprocess.run(  # noqa: S603 - the test's own command
        [*FLEET_API, *config(tmp_path, text), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_it_says_its_version() -> None:
    done = subprocess.run([*FLEET_API, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - likewise
    assert done.stdout == f"fleet-api {__version__}\n"
