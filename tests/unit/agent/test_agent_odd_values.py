"""An agent whose placements and unit files somebody wrote rubbish into: what is in order runs, and goes on running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from fleetpy.registry.protocol import Put
from tests.fuzz.rubbish import rubbish
from tests.support.odd_values import Complaints, odd_writes
from tests.unit.agent.harness import DB, KEYS, MACHINE, WEB, one_host, settled, until

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.looptime

M1 = "1" * 32


@pytest.mark.parametrize("seed", range(5))
async def test_rubbish_in_the_registry_keeps_no_other_unit_from_running(seed: int) -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        for write in rubbish(KEYS, seed, spared=()):
            # What the corpus writes of one machine is this one's.
            key = write.key.replace(M1, MACHINE)
            if not key.startswith(KEYS.machines):
                registry.store.commit([Put(key, write.value)])
        registry.place(DB)
        await until(lambda: DB in host.systemd.running())
        await settled(130)
        assert {WEB, DB} <= host.systemd.running()
        assert registry.machine() is not None


@settings(max_examples=25, deadline=None)
@given(odd_writes(KEYS, MACHINE))
async def test_whatever_stands_in_the_registry_other_units_run_and_it_is_told_of_once(writes: Sequence[Put]) -> None:
    async with one_host() as (registry, host):
        registry.place(WEB)
        host.start_agent()
        await until(lambda: WEB in host.systemd.running())
        with Complaints() as complaints:
            for write in writes:
                registry.store.commit([write])
            registry.place(DB)
            await until(lambda: DB in host.systemd.running(), patience=5.0)
            await settled(130)
            await host.network.break_watches()
            await settled(10)
        assert {WEB, DB} <= host.systemd.running()
        assert registry.machine() is not None
        assert complaints.repeated() == []
