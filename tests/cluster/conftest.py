"""Real hosts for the tests in this folder: one lab for all of them, put in order before each test."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from fleetpy.client.client import FleetClient
from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy_lab.lab import Lab
from tests.support.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUILDING_AND_TESTING = 600
"""Seconds for a test: the first one may have to wait for the images to be built."""
_CLEARING = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_BUILDING_AND_TESTING))


@pytest.fixture(scope="session")
def lab_of_the_session() -> Iterator[Lab]:
    lab = Lab(f"test-{uuid.uuid4().hex[:8]}")
    try:
        lab.up(3)
        yield lab
    finally:
        lab.down()
        lab.close()


@pytest.fixture
def lab(lab_of_the_session: Lab) -> Lab:
    """Three hosts, up and connected, all in the cluster, without a unit."""
    lab_of_the_session.restore()
    wait_for_agents(lab_of_the_session)
    destroy_all_units(lab_of_the_session)
    return lab_of_the_session


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[Cluster]:
    """The same with a fleetctl outside of it, and a folder for unit files."""
    cluster = Cluster(lab, tmp_path)
    yield cluster
    lab.restore()
    cluster.forget_metadata()


def wait_for_agents(lab: Lab) -> None:
    """Until each agent says that it is registered: the cluster may still count on a host that died and is back."""

    def registered(host: str) -> bool:
        told = lab.exec(host, "systemctl", "show", "--property=StatusText", "--value", "fleet-agent.service").stdout
        return told.startswith("Registered")

    lab.wait_until(lambda: all(registered(host.name) for host in lab.hosts()), _CLEARING, "every agent is registered")


def destroy_all_units(lab: Lab) -> None:
    with FleetClient(lab.endpoint()) as cluster:
        units = cluster.units().units
        if units:
            cluster.changes([Change(unit.name, "destroy") for unit in units])
        lab.wait_until(
            lambda: not cluster.units().units and not cluster.states(), _CLEARING, "every unit is destroyed everywhere"
        )
