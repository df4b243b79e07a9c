"""The unit files in units/examples are what the demo and a newcomer's first steps rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import Requirements, read_requirements

EXAMPLES = Path(__file__).parents[3] / "units" / "examples"
FILES = sorted(EXAMPLES.iterdir())


def requirements_of(file: str, name: str) -> Requirements:
    return read_requirements(parse_unit_name(name), UnitFile.parse((EXAMPLES / file).read_text()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_example_can_be_submitted_and_says_what_it_is(file: Path) -> None:
    unit = UnitFile.parse(file.read_text())
    read_requirements(parse_unit_name(file.name), unit)
    assert unit.description


def test_there_is_one_of_each_kind() -> None:
    assert [file.name for file in FILES] == [
        "docker-web.service",
        "hello.service",
        "monitor.service",
        "nspawn-web.service",
        "podman-web.service",
        "web-discovery@.service",
        "web@.service",
    ]
    for name in ("hello.service", "docker-web.service", "nspawn-web.service", "podman-web.service"):
        assert requirements_of(name, name) == Requirements()
    assert requirements_of("monitor.service", "monitor.service") == Requirements(is_global=True)
    assert requirements_of("web@.service", "web@1.service").conflicts == ("web@*.service",)
    assert requirements_of("web-discovery@.service", "web-discovery@1.service").machine_of == ("web@1.service",)
