"""Real hosts for the tests in this folder: one lab for all of them, put in order before each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import Cluster
from tests.support.shared_lab import SharedLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fleetpy_lab.lab import Lab

_BUILDING_AND_TESTING = 600
"""Seconds for a test: the first one may have to wait for the images to be built."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_BUILDING_AND_TESTING))


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[SharedLab]:
    """What most tests share; a module whose hosts have to be of another kind has its own in place of it."""
    with SharedLab() as shared:
        yield shared


@pytest.fixture
def lab(shared_lab: SharedLab) -> Lab:
    """Three hosts, up and connected, all in the cluster, without a unit."""
    return shared_lab.in_order()


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[Cluster]:
    """The same with a fleetctl outside of it, and a folder for unit files."""
    cluster = Cluster(lab, tmp_path)
    yield cluster
    lab.restore()
    cluster.forget_metadata()
