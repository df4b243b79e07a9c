from __future__ import annotations

import io
import re

from fleetpy_lab.progress import Progress


def said(stream: io.StringIO) -> list[str]:
    return re.findall(r"^\[ +\d+\.\d s\] (.*)$", stream.getvalue(), re.MULTILINE)


def test_a_step_says_its_name_and_remark_on_a_line_of_its_own() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    with progress.step("building", "a minute"):
        progress.say("something else")
    assert said(stream) == ["building (a minute)", "something else"]


def test_details_do_not_flood_a_log() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    with progress.step("building"):
        for number in range(1000):
            progress.detail(f"package {number}")
    assert said(stream) == ["building"]
