"""The stream of events: first how everything is, then what changes; never old, never unbounded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fleetpy.errors import UnavailableError
from fleetpy.ids import UnitName
from fleetpy_api.events import CHUNK, HEARTBEAT, MAX_STREAMS, PACE, Stream
from fleetpy_api.waiting import INTERVAL
from tests.unit.api.harness import KEYS, M1, M2, SLEEP, Cluster, serving

pytestmark = pytest.mark.looptime


async def read(stream: Stream) -> list[dict[str, Any]]:
    """The next events that the stream has to tell."""
    lines = await stream.next()
    assert lines is not None
    return [json.loads(line) for line in lines.splitlines()]


def told(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What events are about, in short."""

    def about(event: dict[str, Any]) -> str:
        named = event.get("unit", {}).get("name") or event.get("machine", {}).get("id") or event.get("name")
        return named or ""

    return [(event["type"], about(event)) for event in events]


def open_stream(cluster: Cluster, *names: str) -> Stream:
    return cluster.api.streams.open(frozenset(map(UnitName, names)))


async def synced(cluster: Cluster, *names: str) -> Stream:
    """A stream whose beginning has been read."""
    stream = open_stream(cluster, *names)
    while (await read(stream))[-1]["type"] != "synced":
        pass
    return stream


async def test_a_stream_begins_with_how_everything_is() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        stream = open_stream(cluster)
        revision = cluster.store.revision
        machine, unit = await read(stream)
        assert machine == {
            "type": "machine",
            "revision": revision,
            "machine": {"id": M1, "primaryIP": "10.0.0.1", "hostname": "host", "version": "9", "units": 1},
        }
        (status,) = (await cluster.json("/fleetpy/v1/units"))["units"]
        assert unit == {"type": "unit", "revision": revision, "unit": status}
        assert await read(stream) == [{"type": "synced", "revision": revision}]


async def test_then_it_tells_what_changes() -> None:
    async with serving() as cluster:
        stream = await synced(cluster)
        await cluster.set("a.service", "launched", SLEEP)
        assert told(await read(stream)) == [("unit", "a.service")]
        await cluster.join(M1)
        assert told(await read(stream)) == [("machine", M1)]
        await cluster.place("a.service", M1)
        await cluster.report("a.service", M1)
        (event,) = await read(stream)
        assert (event["unit"]["currentState"], event["unit"]["machineID"]) == ("launched", M1)
        await cluster.ask("PATCH", f"/fleetpy/v1/machines/{M1}", json={"cordoned": True})
        (event,) = await read(stream)
        assert event["machine"]["cordoned"] is True
        await cluster.remove(KEYS.state(M1, UnitName("a.service")))
        (event,) = await read(stream)
        assert "states" not in event["unit"]
        await cluster.remove(KEYS.machine(M1))
        assert told(await read(stream)) == [("machine-gone", M1)]
        await cluster.ask("DELETE", "/fleet/v1/units/a.service")
        assert told(await read(stream)) == [("unit-gone", "a.service")]


async def test_several_changes_of_a_unit_are_told_once_the_newest() -> None:
    async with serving() as cluster:
        stream = await synced(cluster)
        for state in ("inactive", "loaded", "launched"):
            await cluster.set("a.service", state, SLEEP)
        await cluster.set("b.service", "inactive", SLEEP)
        events = await read(stream)
        assert told(events) == [("unit", "a.service"), ("unit", "b.service")]
        assert events[0]["unit"]["desiredState"] == "launched"
        assert {event["revision"] for event in events} == {cluster.store.revision}


async def test_what_comes_right_after_news_is_told_a_moment_later_all_together() -> None:
    loop = asyncio.get_running_loop()
    async with serving() as cluster:
        await cluster.join(M1)
        stream = await synced(cluster)
        began = loop.time()
        await cluster.set("a.service", "launched", SLEEP)
        assert told(await read(stream)) == [("unit", "a.service")]
        first = loop.time()
        assert first - began < PACE
        await cluster.set("b.service", "launched", SLEEP)
        await cluster.set("c.service", "launched", SLEEP)
        assert told(await read(stream)) == [("unit", "b.service"), ("unit", "c.service")]
        assert loop.time() - first == pytest.approx(PACE)


async def test_a_unit_that_came_and_went_unread_is_gone() -> None:
    async with serving() as cluster:
        stream = await synced(cluster)
        await cluster.set("a.service", "inactive", SLEEP)
        await cluster.ask("DELETE", "/fleet/v1/units/a.service")
        assert told(await read(stream)) == [("unit-gone", "a.service")]


async def test_a_reader_that_is_slow_costs_a_name_for_each_unit_and_no_more() -> None:
    async with serving() as cluster:
        stream = await synced(cluster)
        for round_ in range(20):
            state = "launched" if round_ % 2 else "loaded"
            await cluster.change(
                *({"name": f"{n}.service", "desiredState": state, "options": SLEEP} for n in range(50))
            )
        events = await read(stream)
        assert len(events) == 50
        assert {event["unit"]["desiredState"] for event in events} == {"launched"}


async def test_a_large_beginning_is_told_in_parts_that_stay_current() -> None:
    async with serving() as cluster:
        names = [f"{number:04}.service" for number in range(CHUNK + 50)]
        await cluster.change(*({"name": name, "options": SLEEP} for name in names))
        stream = open_stream(cluster)
        first = await read(stream)
        await cluster.set(names[-1], "launched")
        second = await read(stream)
        assert (len(first), len(second)) == (CHUNK, 50)
        assert [event["unit"]["name"] for event in first + second] == names
        assert second[-1]["unit"]["desiredState"] == "launched"
        assert told(await read(stream)) == [("synced", "")]


async def test_a_stream_that_names_units_speaks_of_these_and_of_machines() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("a.service", "inactive", SLEEP)
        await cluster.set("b.service", "inactive", SLEEP)
        stream = open_stream(cluster, "a.service", "missing.service")
        events = told(await read(stream))
        assert events[0] == ("machine", M1)
        assert set(events[1:]) == {("unit", "a.service"), ("unit-gone", "missing.service")}
        assert told(await read(stream)) == [("synced", "")]
        await cluster.set("b.service", "launched")
        await cluster.join(M2)
        await cluster.set("missing.service", "inactive", SLEEP)
        assert told(await read(stream)) == [("machine", M2), ("unit", "missing.service")]


async def test_silence_is_broken_by_heartbeats() -> None:
    async with serving() as cluster:
        stream = await synced(cluster)
        began = asyncio.get_running_loop().time()
        assert await read(stream) == [{"type": "heartbeat", "revision": 1}]
        assert await read(stream) == [{"type": "heartbeat", "revision": 1}]
        assert asyncio.get_running_loop().time() - began == pytest.approx(2 * HEARTBEAT)


async def test_a_unit_that_waits_is_told_of_again_when_its_reason_is_known_or_changes() -> None:
    async with serving() as cluster:
        await cluster.lead()
        stream = await synced(cluster)
        await cluster.set("a.service", "launched", SLEEP)
        (event,) = await read(stream)
        assert "pending" not in event["unit"]
        began = asyncio.get_running_loop().time()
        (event,) = await read(stream)
        assert event["unit"]["pending"] == "there are no machines in the cluster"
        assert asyncio.get_running_loop().time() - began == pytest.approx(INTERVAL)
        await cluster.join(M1)
        assert told(await read(stream)) == [("machine", M1)]
        (event,) = await read(stream)
        assert event["unit"]["pending"] == "it goes to 11111111"
        await cluster.place("a.service", M1)
        (event,) = await read(stream)
        assert "pending" not in event["unit"]
        assert told(await read(stream)) == [("heartbeat", "")]


async def test_streams_end_when_the_server_does() -> None:
    async with serving() as cluster:
        stream = await synced(cluster)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(stream.next())
            await asyncio.sleep(1)
            cluster.api.streams.end()
        assert reading.result() is None
        with pytest.raises(UnavailableError, match="is ending"):
            open_stream(cluster)


async def test_only_so_many_streams_can_be_open() -> None:
    async with serving() as cluster:
        streams = [open_stream(cluster) for _ in range(MAX_STREAMS)]
        answer = await cluster.ask("GET", "/fleetpy/v1/events")
        assert (answer.status_code, "are open already" in answer.json()["error"]["message"]) == (503, True)
        cluster.api.streams.close(streams[0])
        assert len(cluster.api.streams) == MAX_STREAMS - 1
        open_stream(cluster)


async def test_a_revision_that_is_not_seen_in_time_is_503() -> None:
    async with serving() as cluster:
        answer = await cluster.ask("GET", "/fleetpy/v1/events", params={"after": 1000})
        assert answer.status_code == 503
        assert answer.json()["error"]["message"] == "fleet-api has not seen revision 1000 of etcd's yet"


@pytest.mark.parametrize("after", ["-1", "x", "1.5", str(2**63)])
async def test_what_is_no_revision_is_400(after: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask("GET", "/fleetpy/v1/events", params={"after": after})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
