"""SIGHUP: a daemon takes up its new configuration as the process that it is, or says why not; etcd is away."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import httpx

from fleetpy_api.listen import open_socket
from tests.support.process import FLEET_API, FLEET_SCHEDULER, PATIENCE, notifications, running, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def ask(path: Path) -> int:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://fleet", timeout=PATIENCE) as http:
        return http.get("/").status_code


def test_a_reload_takes_up_the_configuration_in_the_same_process_on_the_same_socket(tmp_path: Path) -> None:
    path, file = tmp_path / "fleet.sock", tmp_path / "fleet.conf"
    file.write_text("api_idle_timeout=1h\n")
    with (
        open_socket(path) as listener,
        notifications(tmp_path / "notify") as manager,
        running([*FLEET_API, "--config", str(file)], manager, listener) as process,
    ):
        answers: list[int] = []
        # Whoever asks while it starts again only waits.
        asking = threading.Thread(target=lambda: answers.extend(ask(path) for _ in range(10)))
        process.send_signal(signal.SIGHUP)
        asking.start()
        reloading, clock = wait_for(manager, "RELOADING=1")
        assert (reloading, clock.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
        assert wait_for(manager, "READY=1")
        asking.join()
        assert answers == [405] * 10
        file.write_text("api_idle_timeout=0.5s\n")
        process.send_signal(signal.SIGHUP)
        assert wait_for(manager, "STOPPING=1")
        assert process.wait(PATIENCE) == 0


def test_a_configuration_that_cannot_be_used_changes_nothing_and_is_told(tmp_path: Path) -> None:
    path, file = tmp_path / "fleet.sock", tmp_path / "fleet.conf"
    file.write_text("")
    command = [*FLEET_API, "--config", str(file), "--socket", str(path)]
    with notifications(tmp_path / "notify") as manager, running(command, manager) as process:
        file.write_text("verbosity=0\nagent_tll=10s\n")
        process.send_signal(signal.SIGHUP)
        assert wait_for(manager, "RELOADING=1")
        assert wait_for(manager, "READY=1")
        assert ask(path) == 405
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        errors = process.stderr.read().splitlines()
        (told,) = [line for line in errors if "keeps its old configuration" in line]
        assert f"{file}:2" in told
        assert "did you mean agent_ttl?" in told
        assert not any("starts again" in line for line in errors)


def test_a_signal_to_end_goes_before_a_reload(tmp_path: Path) -> None:
    path, file = tmp_path / "fleet.sock", tmp_path / "fleet.conf"
    file.write_text("")
    command = [*FLEET_API, "--config", str(file), "--socket", str(path)]
    with notifications(tmp_path / "notify") as manager, running(command, manager) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert not path.exists()


def test_a_signal_that_comes_while_it_starts_again_is_answered_afterwards(tmp_path: Path) -> None:
    # Opening a fifo for writing waits for its reader, and reading it waits for the writer to close it.
    path, link, again = tmp_path / "fleet.sock", tmp_path / "fleet.conf", tmp_path / "again"
    for fifo in (tmp_path / "reload", again):
        os.mkfifo(fifo)
    link.write_text("")
    command = [*FLEET_API, "--config", str(link), "--socket", str(path)]
    with notifications(tmp_path / "notify") as manager, running(command, manager) as process:
        link.unlink()
        link.symlink_to("reload")
        process.send_signal(signal.SIGHUP)
        with (tmp_path / "reload").open("w"):
            link.unlink()
            link.symlink_to("again")
        with again.open("w"):
            process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        errors = process.stderr.read()
        assert process.wait(PATIENCE) == 0
        assert "fleet-api starts again" in errors
        assert "fleet-api ends on SIGTERM" in errors


def test_a_scheduler_that_takes_no_part_waits_for_the_configuration_to_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "fleet.conf"
    file.write_text("disable_engine=true\n")
    command = [*FLEET_SCHEDULER, "--config", str(file)]
    with notifications(tmp_path / "notify") as manager, running(command, manager) as process:
        assert wait_for(manager, "STATUS=Takes no part, as configured")
        file.write_text("disable_engine=false\n")
        process.send_signal(signal.SIGHUP)
        assert wait_for(manager, "RELOADING=1")
        assert wait_for(manager, "STATUS=Waits to lead")
        assert process.poll() is None
