from __future__ import annotations

import os
import signal
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

from fleetpy_lab.chaos.history import Run
from fleetpy_lab.chaos.spans import Span, merged, without
from fleetpy_lab.chaos.stamps import read_lateness, read_runs

if TYPE_CHECKING:
    from pathlib import Path

LINES = """\
10.00 started one keep.service 1 41
10.20 alive one
10.30 started two once.service 3 42
10.40 alive one
10.90 alive one
10.95 ending two
11.00 stopped two
11.1""".splitlines()


def test_runs_are_read_from_stamps_and_a_line_that_was_cut_short_is_left_out() -> None:
    assert read_runs("a", LINES) == [
        Run("a", "keep.service", 1, 41, "one", 10.0, 10.9),
        Run("a", "once.service", 3, 42, "two", 10.3, 10.95, 11.0),
    ]


def test_lateness_is_what_a_sign_of_life_took_beyond_its_period() -> None:
    (late,) = read_lateness(LINES, [])["one"]
    assert (round(late.at, 3), round(late.seconds, 3)) == (10.6, 0.3)


def test_a_host_that_was_frozen_on_purpose_was_not_late() -> None:
    assert read_lateness(LINES, [Span(10.5, 10.8)]) == {}


def test_the_program_stamps_its_start_its_life_and_its_end(tmp_path: Path) -> None:
    program = str(files("fleetpy_lab.chaos") / "stamp.sh")
    stamps = tmp_path / "stamps"
    environment = {**os.environ, "STAMPS": str(stamps), "INVOCATION_ID": "one", "FLEET_EPOCH": "7"}
    command = ["/bin/bash", program, "run", "keep.service", "2"]
    with subprocess.Popen(command, env=environment) as running:  # noqa: S603 - our own program
        while not stamps.exists() or "alive" not in stamps.read_text():
            pass
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 0
    subprocess.run(["/bin/bash", program, "stopped"], env=environment, check=True)  # noqa: S603 - our own program
    (run,) = read_runs("a", stamps.read_text().splitlines())
    assert (run.unit, run.text, run.epoch, run.name) == ("keep.service", 2, 7, "one")
    assert run.stopped is not None
    assert run.began < run.last <= run.stopped


def test_spans_are_merged_and_taken_away() -> None:
    spans = [Span(5.0, 7.0), Span(1.0, 3.0), Span(2.0, 4.0), Span(9.0, 9.0)]
    assert merged(spans) == [Span(1.0, 4.0), Span(5.0, 7.0)]
    assert without(spans, [Span(0.0, 2.0), Span(3.0, 3.5), Span(6.0, 8.0)]) == [
        Span(2.0, 3.0),
        Span(3.5, 4.0),
        Span(5.0, 6.0),
    ]
