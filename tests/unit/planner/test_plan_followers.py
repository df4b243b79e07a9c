"""`MachineOf`: followers come after their leaders, and go with them."""

from __future__ import annotations

from fleetpy.model.states import UnitGoal
from tests.unit.planner.builders import Cluster, idle, make_machine, reasons, told, why_pending


def pair(*machines: str) -> Cluster:
    """A leader and its follower, whose name comes first."""
    cluster = Cluster.of(*machines)
    cluster.submit("leader.service")
    cluster.submit("follower.service", machine_of=["leader.service"])
    return cluster


def test_a_follower_is_placed_with_its_leader_in_one_plan() -> None:
    cluster = pair("m1", "m2")
    assert reasons(cluster.plan()) == [
        "gives follower.service to m1: it follows leader.service",
        "gives leader.service to m1: it is to be launched, and is on no machine",
    ]


def test_a_chain_of_followers_is_placed_in_one_plan() -> None:
    cluster = pair("m1")
    cluster.submit("a.service", machine_of=["follower.service"])
    assert told(cluster.plan()) == [
        "place a.service m1",
        "place follower.service m1",
        "place leader.service m1",
    ]


def test_a_very_long_chain_is_no_trouble() -> None:
    cluster = Cluster.of("m1", "m2")
    cluster.submit("u0.service")
    for number in range(1, 3000):
        cluster.submit(f"u{number}.service", machine_of=[f"u{number - 1}.service"])
    cluster.settle()
    assert {tuple(machines) for machines in cluster.where().values()} == {("m1",)}
    cluster.join(make_machine("m1", draining=True))
    cluster.settle()
    assert {tuple(machines) for machines in cluster.where().values()} == {("m2",)}


def test_a_follower_goes_to_its_leader_however_loaded_the_machine_is() -> None:
    cluster = pair("m1", "m2")
    cluster.submit("other.service")
    cluster.put("m1", "leader.service", "other.service")
    assert told(cluster.plan()) == ["place follower.service m1"]


def test_a_follower_of_several_wants_them_on_one_machine() -> None:
    cluster = pair("m1", "m2")
    cluster.submit("other.service")
    cluster.submit("both.service", machine_of=["leader.service", "other.service"])
    cluster.put("m1", "leader.service", "follower.service")
    cluster.put("m2", "other.service")
    assert cluster.plan().pending == {
        "both.service": (
            "1 machine does not have leader.service, which it follows; 1 does not have other.service, which it follows"
        )
    }
    cluster.remove("m2", "other.service")
    cluster.put("m1", "other.service")
    assert told(cluster.plan()) == ["place both.service m1"]


def test_a_follower_of_a_global_unit_goes_to_the_least_loaded_of_its_machines() -> None:
    cluster = Cluster.of(*(make_machine(f"m{number:02}", region="eu" if number > 2 else "us") for number in range(20)))
    cluster.submit("log.service", is_global=True, metadata={"region": "eu"})
    cluster.submit("reader.service", machine_of=["log.service"])
    cluster.settle()
    assert cluster.where()["reader.service"] == ["m03"]


def test_a_follower_of_an_unknown_unit_is_pending() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("follower.service", machine_of=["leader.service"])
    assert cluster.plan().pending == {"follower.service": "it follows leader.service, which does not exist"}


def test_a_follower_of_an_inactive_unit_is_pending() -> None:
    cluster = pair("m1")
    cluster.change("leader.service", goal=UnitGoal.INACTIVE)
    assert cluster.plan().pending == {
        "follower.service": "it follows leader.service, which is not to be on any machine"
    }


def test_a_follower_of_a_pending_unit_is_pending() -> None:
    cluster = pair("m1")
    cluster.submit("leader.service", metadata={"region": "eu"})
    assert cluster.plan().pending == {
        "follower.service": "it follows leader.service, which is on no machine",
        "leader.service": "1 machine lacks region=eu",
    }


def test_a_follower_that_its_leaders_machine_does_not_suit_is_pending() -> None:
    cluster = pair("m1", "m2")
    cluster.put("m1", "leader.service")
    cluster.submit("follower.service", machine_of=["leader.service"], conflicts=["enemy.service"])
    cluster.submit("enemy.service")
    cluster.put("m1", "enemy.service")
    assert cluster.plan().pending == {
        "follower.service": (
            "1 machine does not have leader.service, which it follows; 1 runs enemy.service, which conflicts"
        )
    }


def test_a_follower_moves_with_its_leader() -> None:
    cluster = pair("m1", "m2")
    cluster.settle()
    cluster.join(make_machine("m1", draining=True))
    plans = cluster.settle()
    assert [told(planned) for planned in plans] == [
        ["unplace follower.service m1", "unplace leader.service m1"],
        ["place follower.service m2", "place leader.service m2"],
    ]


def test_a_follower_leaves_with_its_leader_also_when_the_machine_suits_it() -> None:
    cluster = Cluster.of(make_machine("m1", region="eu"), make_machine("m2", region="eu"))
    cluster.submit("leader.service", metadata={"region": "eu"})
    cluster.submit("follower.service", machine_of=["leader.service"])
    cluster.submit("third.service", machine_of=["follower.service"])
    cluster.settle()
    cluster.join(make_machine("m1"))
    assert reasons(cluster.plan()) == [
        "takes follower.service from m1: it follows leader.service, which leaves",
        "takes leader.service from m1: m1 lacks region=eu",
        "takes third.service from m1: it follows follower.service, which leaves",
    ]
    cluster.settle()
    assert cluster.where() == {"follower.service": ["m2"], "leader.service": ["m2"], "third.service": ["m2"]}


def test_a_leader_does_not_move_for_its_follower() -> None:
    cluster = pair("m1", "m2")
    cluster.settle()
    cluster.submit("follower.service", text="text-2", machine_of=["leader.service"], machine_id="m2")
    assert reasons(cluster.plan()) == ["takes follower.service from m1: m1 is not m2"]


def test_a_follower_leaves_when_its_leader_is_stopped() -> None:
    cluster = pair("m1")
    cluster.settle()
    cluster.change("leader.service", goal=UnitGoal.INACTIVE)
    assert reasons(cluster.plan()) == [
        "takes follower.service from m1: it follows leader.service, which is not on m1",
        "takes leader.service from m1: the unit is to be inactive",
    ]


def test_a_follower_leaves_when_its_leader_is_submitted_anew() -> None:
    cluster = pair("m1")
    cluster.settle()
    cluster.submit("leader.service", uid=2)
    assert told(cluster.plan()) == ["unplace follower.service m1", "unplace leader.service m1"]
    cluster.settle()
    assert cluster.where() == {"follower.service": ["m1"], "leader.service": ["m1"]}


def test_two_units_that_follow_each_other_are_pending() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("a.service", machine_of=["b.service"])
    cluster.submit("b.service", machine_of=["a.service"])
    assert cluster.plan() == idle(
        {
            "a.service": "it follows b.service, which follows a.service: none of them can be the first",
            "b.service": "it follows a.service, which follows b.service: none of them can be the first",
        }
    )


def test_a_circle_of_three_is_told_in_the_order_of_following() -> None:
    cluster = Cluster.of("m1")
    cluster.submit("a.service", machine_of=["b.service"])
    cluster.submit("b.service", machine_of=["c.service"])
    cluster.submit("c.service", machine_of=["a.service"])
    cluster.submit("d.service", machine_of=["c.service"])
    planned = cluster.plan()
    assert why_pending(planned, "a.service") == (
        "it follows b.service, which follows c.service, which follows a.service: none of them can be the first"
    )
    assert why_pending(planned, "d.service") == "it follows c.service, which is on no machine"


def test_a_long_circle_is_not_told_at_length() -> None:
    cluster = Cluster.of("m1")
    for number in range(10):
        cluster.submit(f"u{number}.service", machine_of=[f"u{(number + 1) % 10}.service"])
    assert why_pending(cluster.plan(), "u0.service") == (
        "it follows u1.service, which follows u2.service, which follows u3.service, and so on, "
        "which follows u0.service: none of them can be the first"
    )


def test_units_that_come_to_follow_each_other_where_they_are_stay() -> None:
    cluster = pair("m1")
    cluster.settle()
    cluster.submit("leader.service", text="text-2", machine_of=["follower.service"])
    assert told(cluster.plan()) == ["update leader.service m1"]
