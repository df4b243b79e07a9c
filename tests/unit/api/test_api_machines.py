"""`/machines` of both APIs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetpy.ids import MachineID
from fleetpy.model.limits import MAX_METADATA_PAIRS, MAX_METADATA_VALUE
from fleetpy.model.records import MachineSettingsRecord
from fleetpy_api.committer import MAX_GUARDS
from tests.unit.api.harness import KEYS, M1, M2, SLEEP, Cluster, serving

pytestmark = pytest.mark.looptime

UNKNOWN = MachineID("f" * 32)


def operation(verb: str, machine: str, key: str, value: str | None = None) -> dict[str, Any]:
    return {"op": verb, "path": f"/{machine}/metadata/{key}"} | ({"value": value} if value else {})


async def patch(cluster: Cluster, *operations: Any, prefix: str = "/fleet/v1") -> int:
    # Without a Content-Type, as the original's functional tests send it.
    answer = await cluster.ask("PATCH", f"{prefix}/machines", content=json.dumps(operations).encode())
    return answer.status_code


async def metadata(cluster: Cluster) -> dict[str, dict[str, str]]:
    machines = (await cluster.json("/fleet/v1/machines")).get("machines", [])
    return {machine["id"]: machine.get("metadata", {}) for machine in machines}


def settings(cluster: Cluster, machine: MachineID) -> MachineSettingsRecord | None:
    entry = cluster.store.get(KEYS.settings(machine))
    return MachineSettingsRecord.decode(entry.value) if entry else None


@pytest.mark.parametrize("prefix", ["/fleet/v1", "/v1-alpha"])
async def test_machines_are_listed_by_id_without_empty_fields(prefix: str) -> None:
    async with serving() as cluster:
        await cluster.join(M2, public_ip="", metadata={})
        await cluster.join(M1, public_ip="1.2.3.4", metadata={"ping": "pong"})
        assert await cluster.json(f"{prefix}/machines") == {
            "machines": [{"id": M1, "primaryIP": "1.2.3.4", "metadata": {"ping": "pong"}}, {"id": M2}]
        }


async def test_machines_come_in_pages() -> None:
    async with serving(token_limit=1) as cluster:
        await cluster.join(M1)
        await cluster.join(M2)
        first = await cluster.json("/fleet/v1/machines")
        second = await cluster.json("/fleet/v1/machines", params={"nextPageToken": first["nextPageToken"]})
        assert [page["machines"][0]["id"] for page in (first, second)] == [M1, M2]


async def test_a_machine_that_is_gone_is_not_listed() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.remove(KEYS.machine(M1))
        assert await cluster.json("/fleet/v1/machines") == {}


@pytest.mark.parametrize("prefix", ["/fleet/v1", "/v1-alpha"])
async def test_metadata_is_added_replaced_and_removed(prefix: str) -> None:
    async with serving() as cluster:
        await cluster.join(M1, metadata={"own": "1", "kept": "k"})
        await cluster.join(M2, metadata={"own": "2"})
        done = await patch(
            cluster,
            operation("add", M1, "foo", "bar"),
            operation("replace", M2, "own", "3"),
            operation("remove", M1, "own"),
            prefix=prefix,
        )
        assert done == 204
        assert await metadata(cluster) == {M1: {"foo": "bar", "kept": "k"}, M2: {"own": "3"}}


async def test_the_answer_to_a_patch_calls_itself_json_though_it_is_empty() -> None:
    async with serving() as cluster:
        answer = await cluster.ask("PATCH", "/fleet/v1/machines", content=b"[]")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["Content-Type"] == "application/json"


async def test_operations_are_carried_out_in_order() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await patch(
            cluster, operation("add", M1, "a", "1"), operation("remove", M1, "a"), operation("add", M1, "a", "2")
        )
        assert await metadata(cluster) == {M1: {"a": "2"}}


async def test_a_machine_that_is_away_keeps_what_was_set_for_it() -> None:
    async with serving() as cluster:
        assert await patch(cluster, operation("add", UNKNOWN, "region", "eu")) == 204
        await cluster.join(UNKNOWN, metadata={"region": "us", "disk": "ssd"})
        assert await metadata(cluster) == {UNKNOWN: {"region": "eu", "disk": "ssd"}}


async def test_a_patch_is_applied_all_or_not_at_all() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        before = cluster.store.revision
        assert await patch(cluster, operation("add", M1, "a", "1"), operation("add", M1, "b")) == 400
        assert cluster.store.revision == before
        assert await patch(cluster, operation("add", M1, "a", "1"), operation("add", M2, "a", "1")) == 204
        assert cluster.store.revision == before + 1


async def test_a_patch_of_too_many_machines_is_413() -> None:
    async with serving() as cluster:
        many = [operation("add", f"{number:032x}", "a", "1") for number in range(MAX_GUARDS + 1)]
        assert await patch(cluster, *many) == 413
        assert await patch(cluster, *many[:-1]) == 204


async def test_patches_at_the_same_time_lose_nothing() -> None:
    async with serving() as cluster, serving(store=cluster.store) as other:
        await cluster.join(M1)
        for key in "abc":
            # The other API's picture has not seen the first write when it makes its own.
            assert await patch(cluster, operation("add", M1, key, "1")) == 204
            assert await patch(other, operation("add", M1, key * 2, "2")) == 204
        found = settings(cluster, M1)
        assert found is not None
        assert found.metadata == {"a": "1", "aa": "2", "b": "1", "bb": "2", "c": "1", "cc": "2"}


async def change(cluster: Cluster, machine: str, **fields: Any) -> int:
    return (await cluster.ask("PATCH", f"/fleetpy/v1/machines/{machine}", json=fields)).status_code


async def test_a_machine_is_cordoned_and_drained_and_no_longer() -> None:
    async with serving() as cluster:
        await cluster.join(M1, metadata={"a": "b"})

        async def shown() -> tuple[bool, bool]:
            (machine,) = (await cluster.json("/fleetpy/v1/machines"))["machines"]
            return machine.get("cordoned", False), machine.get("draining", False)

        assert await change(cluster, M1, cordoned=True) == 204
        assert await shown() == (True, False)
        assert await change(cluster, M1, draining=True) == 204
        assert await shown() == (True, True)
        assert await change(cluster, M1, cordoned=False, draining=False) == 204
        assert await shown() == (False, False)


async def test_changing_a_machine_leaves_its_metadata_alone() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await patch(cluster, operation("add", M1, "a", "1"), operation("remove", M1, "b"))
        await change(cluster, M1, cordoned=True)
        assert settings(cluster, M1) == MachineSettingsRecord(metadata={"a": "1", "b": None}, cordoned=True)


async def test_changing_nothing_writes_nothing() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        before = cluster.store.revision
        assert await change(cluster, M1) == 204
        assert cluster.store.revision == before


async def test_a_machine_that_nothing_is_known_of_is_404() -> None:
    async with serving() as cluster:
        assert await change(cluster, UNKNOWN, cordoned=True) == 404
        assert settings(cluster, UNKNOWN) is None


async def test_a_machine_whose_units_wait_for_it_can_be_drained() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", UNKNOWN)
        assert await change(cluster, UNKNOWN, draining=True) == 204


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"cordoned": "perhaps"}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"[", "application/json", 400),
    ],
)
async def test_a_wrong_change_of_a_machine_is_refused(content: bytes, kind: str, status: int) -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        path = f"/fleetpy/v1/machines/{M1}"
        answer = await cluster.ask("PATCH", path, content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)


async def test_fleetpys_own_list_has_all_that_is_known() -> None:
    async with serving() as cluster:
        await cluster.join(M1, hostname="one", public_ip="1.2.3.4", metadata={"a": "b"}, version="0.1")
        await cluster.put(KEYS.machine(M2), b"nonsense")
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        assert await cluster.json("/fleetpy/v1/machines") == {
            "revision": cluster.store.revision,
            "machines": [
                {
                    "id": M1,
                    "primaryIP": "1.2.3.4",
                    "hostname": "one",
                    "metadata": {"a": "b"},
                    "version": "0.1",
                    "units": 1,
                },
                {"id": M2, "cordoned": True},
            ],
        }


async def test_only_so_many_keys_are_set_for_a_machine() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        keys = [operation("add", M1, f"key{number}", "x" * MAX_METADATA_VALUE) for number in range(MAX_METADATA_PAIRS)]
        assert await patch(cluster, *keys) == 204
        assert await patch(cluster, operation("replace", M1, "key0", "y")) == 204
        answer = await cluster.ask("PATCH", "/fleet/v1/machines", json=[operation("add", M1, "more", "x")])
        assert answer.status_code == 413
        assert answer.json()["error"]["message"] == (
            f"machine {M1} would have 129 keys of metadata set for it; at most 128 can be"
        )


async def test_what_is_set_for_several_machines_must_fit_into_one_transaction() -> None:
    async with serving() as cluster:
        machines = [f"{number:032x}" for number in range(4)]
        for machine in machines:
            keys = [operation("add", machine, f"key{n}", "x" * MAX_METADATA_VALUE) for n in range(MAX_METADATA_PAIRS)]
            assert await patch(cluster, *keys) == 204
        changes = [operation("replace", machine, "key0", "y") for machine in machines]
        answer = await cluster.ask("PATCH", "/fleet/v1/machines", json=changes)
        assert answer.status_code == 413
        assert answer.json()["error"]["message"].startswith(
            "what is set for these 4 machines is too large to be changed at once; change fewer at a time: "
        )
        assert await patch(cluster, *changes[:2]) == 204
