from __future__ import annotations

from fleetpy_lab.kit import requirements

PYPROJECT = """
[project]
name = "fleetpy"
dependencies = ["click>=8"]

[project.optional-dependencies]
registry = ["grpcio>=1"]
agent = ["fleetpy[registry]", "dbus-fast>=2"]
scheduler = ["fleetpy[registry]"]
api = ["fleetpy[registry]", "starlette"]
lab = ["docker>=7"]
"""


def test_hosts_get_what_the_daemons_and_fleetctl_need_and_nothing_of_the_lab() -> None:
    assert requirements(PYPROJECT) == ["click>=8", "dbus-fast>=2", "grpcio>=1", "starlette"]
