from __future__ import annotations

from itertools import islice
from random import Random

from fleetpy_lab.chaos.faults import Fault, FaultKind, Victim, episodes

HOSTS = ("host1", "host2", "host3", "host4", "host5")
MEMBERS = HOSTS[:3]


def drawn(seed: int, count: int = 200) -> list[tuple[Fault, ...]]:
    return list(islice(episodes(Random(seed), HOSTS, MEMBERS), count))  # noqa: S311 - to be replayed


def test_the_same_seed_gives_the_same_faults_and_another_one_others() -> None:
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_every_kind_has_its_turn_before_any_has_another() -> None:
    firsts = [episode[0].kind for episode in drawn(3, len(FaultKind))]
    assert sorted(firsts) == sorted(FaultKind)


def test_two_faults_at_once_are_on_two_hosts_and_leave_etcd_a_majority() -> None:
    pairs = [episode for episode in drawn(4, 1000) if len(episode) == 2]
    assert pairs
    for first, second in pairs:
        assert first.host != second.host
        assert not {first.host, second.host} <= set(MEMBERS)
    assert {second.kind for _, second in pairs} == set(FaultKind) - {FaultKind.MOST_CUT_OFF}


def test_where_most_hosts_are_hit_etcd_keeps_a_majority() -> None:
    most = [episode for episode in drawn(6) if episode[0].kind is FaultKind.MOST_CUT_OFF]
    assert most
    for episode in most:
        assert len({fault.host for fault in episode}) == len(episode) == 3
        assert len({fault.host for fault in episode} & set(MEMBERS)) == 1
        assert len({fault.lasts for fault in episode}) == 1


def test_faults_befall_whom_their_kind_says() -> None:
    hit = {Victim.HOST: HOSTS, Victim.MOST: HOSTS, Victim.MEMBER: MEMBERS, Victim.LEADER: ("",), Victim.ETCD: ("",)}
    for episode in drawn(5):
        for fault in episode:
            assert fault.host in hit[fault.nature.victim]
            assert fault.lasts in fault.nature.lasts
