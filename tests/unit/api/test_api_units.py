"""`/units` of the original's API, line by line of its table."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from fleetpy.ids import UnitName
from fleetpy.model.records import UnitRecord
from fleetpy.model.states import UnitGoal
from fleetpy.registry.protocol import Delete
from tests.unit.api.harness import GLOBAL, KEYS, M1, M2, NOON, SLEEP, WAKE, serving

pytestmark = pytest.mark.looptime

PREFIXES = ["/fleet/v1", "/v1-alpha"]


def error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_new_unit_is_created_with_its_text(prefix: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask(
            "PUT", f"{prefix}/units/a.service", json={"desiredState": "loaded", "options": SLEEP}
        )
        assert (answer.status_code, answer.content) == (201, b"")
        assert await cluster.json(f"{prefix}/units/a.service") == {
            "name": "a.service",
            "options": SLEEP,
            "desiredState": "loaded",
            "currentState": "inactive",
        }


async def test_a_unit_is_stored_with_who_asked_and_when() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        unit = cluster.unit("a.service")
        assert unit is not None
        assert (unit.desired, unit.changed_by, unit.changed_at > NOON) == (UnitGoal.LAUNCHED, "127.0.0.1", True)
        assert cluster.store.get(KEYS.unit_file(unit.hash)) is not None


async def test_the_hash_is_the_originals() -> None:
    async with serving() as cluster:
        await cluster.set("hello.service", options=[{"section": "Unit", "name": "Description", "value": "Hi"}])
        unit = cluster.unit("hello.service")
        assert unit is not None
        # How go-systemd serialises it.
        assert unit.hash == hashlib.sha1(b"[Unit]\nDescription=Hi\n", usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("state", [None, ""])
async def test_a_new_unit_without_a_state_is_inactive(state: str | None) -> None:
    async with serving() as cluster:
        assert await cluster.set("a.service", state, SLEEP) == 201
        assert (await cluster.json("/fleet/v1/units/a.service"))["desiredState"] == "inactive"


@pytest.mark.parametrize("options", [None, SLEEP])
async def test_a_known_unit_takes_another_state(options: list[dict[str, str]] | None) -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "inactive", SLEEP)
        uid = cluster.uid("a.service")
        assert await cluster.set("a.service", "launched", options) == 204
        assert (await cluster.json("/fleet/v1/units/a.service"))["desiredState"] == "launched"
        assert cluster.uid("a.service") == uid


async def test_the_state_that_it_has_already_is_no_write() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        before = cluster.store.revision
        assert await cluster.set("a.service", "launched") == 204
        assert cluster.store.revision == before


async def test_other_options_replace_the_unit_which_stays_the_same_one() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        uid = cluster.uid("a.service")
        assert await cluster.set("a.service", "launched", WAKE) == 201
        shown = await cluster.json("/fleet/v1/units/a.service")
        assert (shown["options"], shown["desiredState"], cluster.uid("a.service")) == (WAKE, "launched", uid)


async def test_a_unit_replaced_without_a_state_is_inactive_as_a_new_one() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        assert await cluster.set("a.service", None, WAKE) == 201
        assert (await cluster.json("/fleet/v1/units/a.service"))["desiredState"] == "inactive"


@pytest.mark.parametrize("options", [None, []])
async def test_an_unknown_unit_without_options_is_409(options: list[dict[str, str]] | None) -> None:
    async with serving() as cluster:
        body = {"desiredState": "launched"} | ({} if options is None else {"options": options})
        answer = await cluster.ask("PUT", "/fleet/v1/units/a.service", json=body)
        expected = error(409, "unit a.service does not exist and no options are given to make it from")
        assert (answer.status_code, answer.json()) == (409, expected)


@pytest.mark.parametrize("options", [None, SLEEP])
async def test_a_known_unit_without_a_state_is_409(options: list[dict[str, str]] | None) -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        answer = await cluster.ask("PUT", "/fleet/v1/units/a.service", json={"options": options} if options else {})
        expected = error(409, "unit a.service exists; say which desiredState it is to have")
        assert (answer.status_code, answer.json()) == (409, expected)


async def test_the_name_in_the_body_may_be_the_urls() -> None:
    async with serving() as cluster:
        body = {"name": "a.service", "desiredState": "loaded", "options": SLEEP}
        assert (await cluster.ask("PUT", "/fleet/v1/units/a.service", json=body)).status_code == 201


async def test_another_name_in_the_body_is_400() -> None:
    async with serving() as cluster:
        body = {"name": "b.service", "desiredState": "loaded", "options": SLEEP}
        answer = await cluster.ask("PUT", "/fleet/v1/units/a.service", json=body)
        expected = error(400, "the URL names unit a.service, and the body names unit b.service")
        assert (answer.status_code, answer.json()) == (400, expected)


@pytest.mark.parametrize("name", ["a", "a.", "a.foo", "a$.service", "@.service", "a.busname", "a@1.mount", "x" * 260])
async def test_a_bad_name_is_400(name: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask("PUT", f"/fleet/v1/units/{name}", json={"desiredState": "loaded", "options": SLEEP})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
        assert cluster.store.revision == 1


@pytest.mark.parametrize("name", ["a@1.service", "a:b-c_d.socket", "a\\x2db.service", "x" * 247 + ".service"])
async def test_every_name_that_systemd_takes_is_taken(name: str) -> None:
    async with serving() as cluster:
        assert await cluster.set(name.replace("\\", "%5C"), "loaded", SLEEP) == 201
        shown = await cluster.json("/fleet/v1/units")
        assert [unit["name"] for unit in shown["units"]] == [name]


FLEET = "X-Fleet"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([{"section": "Service", "name": "ExecStart", "value": "a\nb"}], "line break"),
        ([{"section": "Service", "name": "", "value": "x"}], "name is empty"),
        ([{"section": FLEET, "name": "MachineOff", "value": "b.service"}], "has no option 'MachineOff'"),
        ([{"section": FLEET, "name": "MachineID", "value": "1f"}], "32 hexadecimal digits"),
        (
            [
                {"section": FLEET, "name": "MachineOf", "value": "b.service"},
                {"section": FLEET, "name": "Conflicts", "value": "b*"},
            ],
            "can never hold",
        ),
        (
            [
                {"section": FLEET, "name": "Global", "value": "true"},
                {"section": FLEET, "name": "MachineOf", "value": "b.service"},
            ],
            "cannot stand in one unit",
        ),
    ],
)
async def test_options_that_make_no_unit_are_400(options: list[dict[str, str]], words: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask("PUT", "/fleet/v1/units/a.service", json={"options": options})
        assert answer.status_code == 400
        message = answer.json()["error"]["message"]
        assert message.startswith("a.service: ")
        assert words in message


async def test_an_option_may_leave_its_empty_value_out_as_the_originals_clients_do() -> None:
    async with serving() as cluster:
        options = [{"section": "Service", "name": "ExecStart"}, *SLEEP]
        assert await cluster.set("a.service", "loaded", options) == 201
        assert (await cluster.json("/fleet/v1/units/a.service"))["options"] == options


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "the body is not JSON"),
        ("[]", "expected `object`, got `array`"),
        ('{"options": [{"name": "a"}]}', "options.0.section: field required"),
        ('{"options": 7}', "options: "),
        ('{"desiredState": 7}', "desiredState: "),
        ('{"desiredState": "running", "options": []}', "there is no state 'running'"),
        ("\xff", "body"),
    ],
)
async def test_a_body_that_does_not_fit_is_400(body: str, words: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask(
            "PUT",
            "/fleet/v1/units/a.service",
            content=body.encode("latin-1"),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 400
        assert words in answer.json()["error"]["message"]


async def test_nulls_and_unknown_fields_are_the_same_as_nothing() -> None:
    async with serving() as cluster:
        body = {"name": None, "desiredState": "loaded", "options": SLEEP, "machineID": None, "color": "red"}
        assert (await cluster.ask("PUT", "/fleet/v1/units/a.service", json=body)).status_code == 201
        assert (await cluster.ask("PUT", "/fleet/v1/units/a.service", json=body | {"options": None})).status_code == 204


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([], "got 0"),
        ([("Content-Type", "application/xml")], "not 'application/xml'"),
        ([("Content-Type", "application/json"), ("Content-Type", "application/json")], "got 2"),
    ],
)
async def test_a_body_of_another_type_is_415_whatever_is_in_it(headers: list[tuple[str, str]], words: str) -> None:
    async with serving() as cluster:
        answer = await cluster.ask("PUT", "/fleet/v1/units/a", content=b"{", headers=headers)
        assert answer.status_code == 415
        assert words in answer.json()["error"]["message"]


async def test_a_charset_beside_the_type_is_fine() -> None:
    async with serving() as cluster:
        answer = await cluster.ask(
            "PUT",
            "/fleet/v1/units/a.service",
            content=json.dumps({"options": SLEEP}).encode(),
            headers={"Content-Type": "application/json; charset=utf-8"},
        )
        assert answer.status_code == 201


async def test_a_template_can_be_stored() -> None:
    async with serving() as cluster:
        assert await cluster.set("a@.service", "inactive", SLEEP) == 201


@pytest.mark.parametrize("state", ["loaded", "launched"])
@pytest.mark.parametrize("stored", [True, False])
async def test_a_template_cannot_be_activated(state: str, *, stored: bool) -> None:
    async with serving() as cluster:
        if stored:
            await cluster.set("a@.service", "inactive", SLEEP)
        assert await cluster.set("a@.service", state, None if stored else SLEEP) == 400
        assert cluster.unit("a@.service") is None or not stored or cluster.unit("a@.service").desired == "inactive"  # type: ignore[union-attr]


async def test_a_unit_is_destroyed_and_its_name_is_free() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        uid = cluster.uid("a.service")
        answer = await cluster.ask("DELETE", "/fleet/v1/units/a.service")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await cluster.ask("GET", "/fleet/v1/units/a.service")).status_code == 404
        assert await cluster.set("a.service", "launched", SLEEP) == 201
        assert cluster.uid("a.service") > uid


async def test_what_runs_since_before_the_registry_was_set_back_is_not_destroyed_before_it_is_managed() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "inactive", SLEEP)
        await cluster.join(M1)
        await cluster.report("a.service", M1, adrift=True, active="active")
        answer = await cluster.ask("DELETE", "/fleet/v1/units/a.service")
        assert answer.status_code == 409
        assert "start it first" in answer.json()["error"]["message"]
        await cluster.set("a.service", "launched")
        assert (await cluster.ask("DELETE", "/fleet/v1/units/a.service")).status_code == 204


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", ["b.service", "ZZZ", "é.service"])
async def test_an_unknown_unit_is_404(method: str, name: str) -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        answer = await cluster.ask(method, f"/fleet/v1/units/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, 404)
        assert cluster.unit("a.service") is not None


async def test_units_are_listed_by_name() -> None:
    async with serving() as cluster:
        for name in ("c.service", "a.service", "b@1.service"):
            await cluster.set(name, "inactive", SLEEP)
        units = (await cluster.json("/fleet/v1/units"))["units"]
        assert [unit["name"] for unit in units] == ["a.service", "b@1.service", "c.service"]


async def test_no_units_are_an_empty_object_as_the_original_had_it() -> None:
    async with serving() as cluster:
        assert await cluster.json("/fleet/v1/units") == {}


async def test_a_list_in_pages_is_of_one_revision_while_units_change() -> None:
    async with serving(token_limit=2) as cluster:
        for name in "abcde":
            await cluster.set(f"{name}.service", "inactive", SLEEP)
        first = await cluster.json("/fleet/v1/units")
        await cluster.ask("DELETE", "/fleet/v1/units/c.service")
        await cluster.set("d.service", "launched")
        await cluster.set("cc.service", "launched", WAKE)
        second = await cluster.json("/fleet/v1/units", params={"nextPageToken": first["nextPageToken"]})
        third = await cluster.json("/fleet/v1/units", params={"nextPageToken": second["nextPageToken"]})
        pages = [[(unit["name"], unit["desiredState"]) for unit in page["units"]] for page in (first, second, third)]
        assert pages == [
            [("a.service", "inactive"), ("b.service", "inactive")],
            [("c.service", "inactive"), ("d.service", "inactive")],
            [("e.service", "inactive")],
        ]
        assert "nextPageToken" not in third


@pytest.mark.parametrize("token", ["EwBMLg==", "bogus", "", "&nextPageToken=x"])
async def test_a_token_that_cannot_be_read_is_400(token: str) -> None:
    async with serving() as cluster:
        for resource in ("units", "state", "machines"):
            answer = await cluster.ask("GET", f"/fleet/v1/{resource}?nextPageToken={token}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


async def test_the_current_state_is_what_the_agent_made_of_the_placement() -> None:
    async with serving() as cluster:

        async def current() -> tuple[str, str]:
            unit = await cluster.json("/fleet/v1/units/a.service")
            return unit["currentState"], unit.get("machineID", "")

        await cluster.join(M1)
        await cluster.set("a.service", "launched", SLEEP)
        assert await current() == ("inactive", "")
        await cluster.place("a.service", M1, epoch=5)
        assert await current() == ("inactive", M1)
        await cluster.report("a.service", M1, epoch=4, goal=UnitGoal.LAUNCHED)
        assert await current() == ("inactive", M1)
        await cluster.report("a.service", M1, epoch=5, goal=UnitGoal.LOADED)
        assert await current() == ("loaded", M1)
        await cluster.report("a.service", M1, epoch=5, goal=UnitGoal.LAUNCHED)
        assert await current() == ("launched", M1)
        await cluster.remove(KEYS.machine(M1), KEYS.state(M1, UnitName("a.service")))
        assert await current() == ("inactive", M1)


@pytest.mark.looptime
async def test_a_unit_that_was_asked_to_stop_shows_as_launched_for_a_second_as_the_originals_restart_needs() -> None:
    async with serving() as cluster:

        async def current() -> str:
            return str((await cluster.json("/fleet/v1/units/a.service"))["currentState"])

        await cluster.join(M1)
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        await cluster.report("a.service", M1, goal=UnitGoal.LAUNCHED)
        await cluster.set("a.service", "loaded")
        await cluster.report("a.service", M1, goal=UnitGoal.LOADED)
        await asyncio.sleep(0.9)
        assert await current() == "launched"
        await asyncio.sleep(0.2)
        assert await current() == "loaded"
        listed = await cluster.json("/fleet/v1/units")
        assert listed["units"][0]["currentState"] == "loaded"


@pytest.mark.looptime
async def test_a_unit_that_is_not_on_a_machine_never_shows_as_launched() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.set("a.service", "loaded")
        assert (await cluster.json("/fleet/v1/units/a.service"))["currentState"] == "inactive"


async def test_what_is_left_of_an_earlier_unit_of_the_name_is_not_its_state() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        await cluster.report("a.service", M1)
        await cluster.ask("DELETE", "/fleet/v1/units/a.service")
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        assert (await cluster.json("/fleet/v1/units/a.service"))["currentState"] == "inactive"


async def test_a_unit_on_a_dead_and_a_living_machine_is_on_the_living_one() -> None:
    async with serving() as cluster:
        await cluster.join(M2)
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        await cluster.place("a.service", M2)
        assert (await cluster.json("/fleet/v1/units/a.service"))["machineID"] == M2


async def test_a_unit_that_its_machine_is_to_let_go_of_is_on_no_machine() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("a.service", "launched", SLEEP)
        await cluster.place("a.service", M1)
        await cluster.report("a.service", M1)
        await cluster.place("a.service", M1, goal=UnitGoal.INACTIVE)
        assert "machineID" not in await cluster.json("/fleet/v1/units/a.service")
        assert (await cluster.json("/fleet/v1/units/a.service"))["currentState"] == "inactive"


async def test_a_global_unit_has_neither_a_machine_nor_a_current_state() -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        await cluster.set("g.service", "launched", GLOBAL)
        await cluster.place("g.service", M1)
        await cluster.report("g.service", M1)
        assert await cluster.json("/fleet/v1/units/g.service") == {
            "name": "g.service",
            "options": GLOBAL,
            "desiredState": "launched",
        }


async def test_a_unit_whose_file_is_gone_is_shown_without_options() -> None:
    async with serving() as cluster:
        await cluster.set("a.service", "launched", SLEEP)
        unit = cluster.unit("a.service")
        assert unit is not None
        cluster.store.commit([Delete(KEYS.unit_file(unit.hash))])
        await cluster.api.picture.at_least(cluster.store.revision)
        assert "options" not in await cluster.json("/fleet/v1/units/a.service")


async def test_a_unit_whose_record_is_unreadable_can_be_destroyed() -> None:
    async with serving() as cluster:
        await cluster.put(KEYS.unit(UnitName("a.service")), b"nonsense")
        assert await cluster.set("a.service", "launched") == 409
        assert (await cluster.ask("DELETE", "/fleet/v1/units/a.service")).status_code == 204
        assert cluster.store.get(KEYS.unit(UnitName("a.service"))) is None


async def test_a_unit_whose_record_is_unreadable_can_be_made_anew() -> None:
    async with serving() as cluster:
        await cluster.put(KEYS.unit(UnitName("a.service")), b"nonsense")
        assert await cluster.set("a.service", "launched", SLEEP) == 201
        assert isinstance(cluster.unit("a.service"), UnitRecord)
