"""The client against an original fleetd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy.client.errors import ApiFailedError
from fleetpy.client.feed import EventFeed
from fleetpy.errors import UserError
from fleetpy.schemas.fleetpy_v1 import (
    Change,
    ChangeResult,
    Event,
    MachineChange,
    MachineStatus,
    MachineUnitState,
    UnitStatus,
)
from fleetpy.schemas.v1 import UnitEntity, UnitOptionEntity, UnitStateEntity
from tests.support.fake_fleetd import M1, M2, FakeFleetd

if TYPE_CHECKING:
    from fleetpy.client.client import FleetClient
    from fleetpy.client.feed import Item

HELLO = "[Unit]\nDescription=Hello\n\n[Service]\nExecStart=/bin/sleep infinity\n"
EVERYWHERE = "[Service]\nExecStart=/bin/true\n\n[X-Fleet]\nGlobal=true\n"
OPTIONS = [UnitOptionEntity("Service", "ExecStart", "/bin/true")]


def test_the_server_is_found_out(client: FleetClient) -> None:
    assert not client.has_own_api
    assert not client.can_restart


def test_units_are_put_together_from_their_entities_and_states(client: FleetClient, fleetd: FakeFleetd) -> None:
    unit = fleetd.add("hello.service", HELLO, "launched")
    assert client.units().units == [
        UnitStatus(
            name="hello.service",
            uid=0,
            hash=unit.hash,
            desiredState="launched",
            currentState="launched",
            machineID=M1,
            description="Hello",
            states=[MachineUnitState(M1, unit.hash, "launched", "loaded", "active", "running")],
        )
    ]


def test_only_the_named_units_are_given(client: FleetClient, fleetd: FakeFleetd) -> None:
    for name in ("a.service", "b.service", "c.service"):
        fleetd.add(name, HELLO)
    assert [unit.name for unit in client.units({"c.service", "a.service", "x.service"}).units] == [
        "a.service",
        "c.service",
    ]


def test_a_global_unit_is_known_by_its_options(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    (unit,) = client.units().units
    assert unit.isGlobal
    assert [state.machineID for state in unit.states] == sorted([M1, M2])


def test_a_unit_that_fleetpy_would_refuse_is_shown_all_the_same(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.add("odd.service", "[X-Fleet]\nNoSuchOption=1\nGlobal=true\n", "launched")
    assert [(unit.name, unit.isGlobal) for unit in client.units().units] == [("odd.service", True)]


def test_a_unit_that_is_nowhere_is_pending(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.unplaceable.add("hello.service")
    fleetd.add("hello.service", HELLO, "launched", machine="")
    assert [unit.pending for unit in client.units().units] == ["not on a machine yet"]


def test_lists_are_read_to_their_last_page(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.page_size = 3
    names = [f"web@{number}.service" for number in range(10)]
    for name in names:
        fleetd.add(name, HELLO, "launched")
    assert [unit.name for unit in client.units().units] == names
    assert [state.name for state in client.states()] == names


def test_machines_are_sorted_by_id(client: FleetClient) -> None:
    assert client.machines().machines == [MachineStatus(M2, "172.18.0.4"), MachineStatus(M1, "172.18.0.3")]


def test_states_are_as_systemd_says(client: FleetClient, fleetd: FakeFleetd) -> None:
    unit = fleetd.add("hello.service", HELLO, "loaded")
    assert client.states() == [UnitStateEntity("hello.service", unit.hash, M1, "loaded", "inactive", "dead")]


def test_one_unit_has_its_options(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", "[Service]\nExecStart=/bin/true\n")
    assert client.unit("hello.service") == UnitEntity("hello.service", OPTIONS, "inactive", "inactive")
    assert client.unit("other.service") is None


def test_each_change_is_carried_out_or_refused_by_itself(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.add("old.service", HELLO)
    results = client.changes(
        [
            Change("new.service", options=OPTIONS, desiredState="launched"),
            Change("unknown.service", desiredState="launched"),
            Change("old.service", desiredState="loaded"),
            Change("old.service", action="destroy"),
            Change("old.service", action="destroy"),
        ]
    ).results
    assert results == [
        ChangeResult("new.service", "created"),
        ChangeResult("unknown.service", "refused", 409, "unit does not exist and options field empty"),
        ChangeResult("old.service", "changed"),
        ChangeResult("old.service", "destroyed"),
        ChangeResult("old.service", "unchanged"),
    ]
    assert fleetd.units["new.service"].desired == "launched"


def test_an_original_s_refusals_are_told_in_its_words(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.add("web@.service", HELLO)
    assert client.changes([Change("web@.service", desiredState="loaded")]).results == [
        ChangeResult("web@.service", "refused", 400, 'cannot activate template "web@.service"')
    ]


def test_what_a_machine_says_of_a_unit_outlives_it(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.settles_after = 2
    fleetd.add("hello.service", HELLO, "launched")
    client.changes([Change("hello.service", action="destroy")])
    assert [state.systemdActiveState for state in client.states()] == ["active"]
    assert (client.units().units, client.states()) == ([], [])


def test_names_are_escaped_in_urls(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.add("a\\x2fb@c.service", HELLO)
    assert client.unit("a\\x2fb@c.service") is not None


def test_a_server_without_its_registry_says_so(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.away = "fleet server unable to communicate with etcd"
    with pytest.raises(ApiFailedError, match="unable to communicate with etcd") as raised:
        client.machines()
    assert raised.value.status == 503


def test_what_an_original_fleetd_lacks_is_told(client: FleetClient) -> None:
    for ask in (client.health, lambda: client.explain("a.service"), lambda: client.change_machine(M1, MachineChange())):
        with pytest.raises(UserError, match="original fleetd"):
            ask()


def test_events_are_found_out_by_looking_again(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.settles_after = 2
    client.changes([Change("hello.service", options=OPTIONS, desiredState="launched")])
    source = client.events({"hello.service"})
    seen: list[tuple[str, str]] = []
    for event in source:
        seen.append((event.type, event.unit.currentState if event.unit else event.name))
        if seen[-1] == ("unit", "launched"):
            del fleetd.units["hello.service"]
            del fleetd.machines[M2]
        if event.type == "unit-gone":
            source.stop()
    assert seen == [
        ("machine", ""),
        ("machine", ""),
        ("unit", "inactive"),
        ("synced", ""),
        ("unit", "launched"),
        ("heartbeat", ""),
        ("machine-gone", M2),
        ("unit-gone", "hello.service"),
        ("heartbeat", ""),
    ]


def test_a_feed_looks_from_a_thread_of_its_own(client: FleetClient, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    with EventFeed(lambda: client.events({"hello.service"})) as feed:
        items: list[Item] = []
        while not any(isinstance(item, Event) and item.type == "synced" for item in items):
            items += feed.take(10)
        fleetd.units["hello.service"].active = "failed"
        states: list[str] = []
        while states != ["failed"]:
            states = [item.unit.states[0].active for item in feed.take(10) if isinstance(item, Event) and item.unit]


def test_the_states_of_one_unit_are_asked_for_alone(client: FleetClient, fleetd: FakeFleetd) -> None:
    for name in ("a.service", "b.service"):
        fleetd.add(name, HELLO, "launched")
    assert [state.name for state in client.states_of("b.service")] == ["b.service"]
