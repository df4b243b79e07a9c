"""An API over a registry in which somebody wrote rubbish: it answers, and what is in order is shown."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from fleetpy.registry.protocol import Put
from tests.fuzz.rubbish import rubbish
from tests.support.odd_values import Complaints, odd_writes
from tests.unit.api.harness import KEYS, M1, SLEEP, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.looptime

READS = (
    "/fleet/v1/units",
    "/fleet/v1/state",
    "/fleet/v1/machines",
    "/fleetpy/v1/units",
    "/fleetpy/v1/machines",
    "/fleetpy/v1/brake",
    "/fleetpy/v1/health",
    "/fleetpy/v1/units/good.service/explain",
    "/metrics",
)


@pytest.mark.parametrize("seed", range(5))
async def test_rubbish_in_the_registry_hides_nothing_that_is_in_order(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("good.service", "launched", SLEEP)
        await cluster.place("good.service", M1)
        await cluster.report("good.service", M1)
        before = {path: await cluster.json(path) for path in ("/fleet/v1/units/good.service",)}
        revision = cluster.store.revision
        for entry in rubbish(KEYS, seed, spared=("good.service", M1)):
            revision = cluster.store.commit([Put(entry.key, entry.value)])
        await cluster.api.picture.at_least(revision)
        assert {path: await cluster.json(path) for path in before} == before
        for path in READS:
            assert (await cluster.ask("GET", path)).status_code == HTTPStatus.OK
        names = [unit["name"] for unit in (await cluster.json("/fleetpy/v1/units"))["units"]]
        assert "good.service" in names
        for name in names:
            answer = await cluster.ask("GET", f"/fleetpy/v1/units/{name}/explain")
            assert answer.status_code in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
        stream = cluster.api.streams.open(frozenset())
        while b'"synced"' not in (await stream.next() or b""):
            pass
        cluster.api.streams.close(stream)
        assert await cluster.set("good.service", "inactive") == HTTPStatus.NO_CONTENT
        assert "defect" not in caplog.text


@settings(max_examples=25, deadline=None)
@given(odd_writes(KEYS, M1))
async def test_whatever_stands_in_the_registry_is_told_of_once_and_the_api_answers(writes: Sequence[Put]) -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("good.service", "launched", SLEEP)
        await cluster.place("good.service", M1)
        await cluster.report("good.service", M1)
        before = await cluster.json("/fleet/v1/units/good.service")
        with Complaints() as complaints:
            revision = cluster.store.revision
            for write in writes:
                revision = cluster.store.commit([write])
            await cluster.api.picture.at_least(revision)
            assert await cluster.json("/fleet/v1/units/good.service") == before
            for path in (*READS, *READS):
                assert (await cluster.ask("GET", path)).status_code == HTTPStatus.OK
            assert await cluster.set("good.service", "inactive") == HTTPStatus.NO_CONTENT
            assert await cluster.set("new.service", "launched", SLEEP) == HTTPStatus.CREATED
        assert complaints.repeated() == []
        assert not [words for words in complaints.said if "defect" in words]
