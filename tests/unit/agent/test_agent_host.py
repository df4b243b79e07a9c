"""The whole agent on one host in memory, from placements to running units and published states."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetpy.ids import Epoch, UnitUID
from fleetpy.model.records import StateRecord
from fleetpy.model.states import UnitGoal
from tests.unit.agent.harness import DB, LOADED, WEB, one_host, settled, until

pytestmark = pytest.mark.looptime


async def test_a_placed_unit_runs_and_its_state_is_published() -> None:
    async with one_host() as (registry, host):
        placement = registry.place(WEB)
        host.start_agent()
        await until(lambda: (state := registry.state(WEB)) is not None and state.active == "active")
        assert host.files.dropins[WEB] == (
            "[Unit]\nAfter=fleet-agent.service\n\n[Service]\nEnvironment=FLEET_EPOCH=1\n"
        )
        assert host.history() == ["link web.service", "start web.service"]
        state = registry.state(WEB)
        assert state is not None
        assert state.since is not None
        assert state.model_copy(update={"since": None}) == StateRecord(
            uid=UnitUID(1),
            epoch=Epoch(1),
            hash=placement.hash,
            goal=UnitGoal.LAUNCHED,
            load="loaded",
            active="active",
            sub="running",
        )
