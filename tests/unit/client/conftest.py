from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy.client.client import FleetClient
from tests.support.fake_fleetd import FakeFleetd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def fleetd() -> FakeFleetd:
    return FakeFleetd()


@pytest.fixture
def endpoint(fleetd: FakeFleetd, tmp_path: Path) -> Iterator[str]:
    with fleetd.serving(tmp_path / "fleet.sock") as endpoint:
        yield endpoint


@pytest.fixture
def client(endpoint: str) -> Iterator[FleetClient]:
    with FleetClient(endpoint) as client:
        yield client
