"""Which faults there are, and which happen when: a pure function of the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random


class FaultKind(StrEnum):
    """What befalls whom."""

    HOST_KILLED = "host killed"
    HOST_OFF = "host powered off"
    HOST_PAUSED = "host paused"
    HOST_CUT_OFF = "host cut off"
    MOST_CUT_OFF = "most hosts cut off"
    AGENT_KILLED = "agent killed"
    AGENT_RESTARTED = "agent restarted"
    AGENT_GONE = "agent gone"
    """Killed, and kept from restarting."""
    AGENT_FROZEN = "agent frozen"
    SCHEDULER_KILLED = "scheduler killed"
    SCHEDULER_FROZEN = "scheduler frozen"
    MEMBER_KILLED = "etcd member killed"
    MEMBER_FROZEN = "etcd member frozen"
    ETCD_FROZEN = "etcd frozen"
    """All of its members."""
    ETCD_COMPACTED = "etcd compacted"
    ETCD_FULL = "etcd full"


class Victim(StrEnum):
    """Whom a kind of fault befalls."""

    HOST = "any host"
    MOST = "each host without a member of etcd, and one with"
    MEMBER = "a host with a member of etcd"
    LEADER = "the host whose scheduler leads"
    ETCD = "no host"


@dataclass(frozen=True, slots=True)
class Nature:
    """What a kind of fault is."""

    victim: Victim
    lasts: tuple[float, ...]
    """Seconds, to choose from. A machine's lease is 8 s; a unit with `OnPartition=stop` moves 25 s after."""
    loses: bool = False
    """The cluster loses the machine if it lasts."""
    kills: bool = False
    """What runs on the host ends."""
    weakens: bool = False
    """The host's member of etcd, if it has one, takes no part. If it led, its successor lets every lease begin anew."""
    halts: bool = False
    """Nothing can be written to etcd."""
    silences: bool = False
    """No lease can be renewed."""


_SHORT, _LEASE, _LONG = 3.0, 14.0, 35.0

NATURES = {
    FaultKind.HOST_KILLED: Nature(Victim.HOST, (5.0, _LEASE, _LONG), loses=True, weakens=True, kills=True),
    FaultKind.HOST_OFF: Nature(Victim.HOST, (5.0, 20.0), loses=True, weakens=True, kills=True),
    FaultKind.HOST_PAUSED: Nature(Victim.HOST, (_SHORT, _LEASE, _LONG), loses=True, weakens=True),
    FaultKind.HOST_CUT_OFF: Nature(Victim.HOST, (_SHORT, _LEASE, _LONG), loses=True, weakens=True),
    FaultKind.MOST_CUT_OFF: Nature(Victim.MOST, (_LEASE, 20.0), loses=True, weakens=True),
    FaultKind.AGENT_KILLED: Nature(Victim.HOST, (0.0,)),
    FaultKind.AGENT_RESTARTED: Nature(Victim.HOST, (0.0,)),
    FaultKind.AGENT_GONE: Nature(Victim.HOST, (_SHORT, _LEASE, _LONG), loses=True),
    FaultKind.AGENT_FROZEN: Nature(Victim.HOST, (_SHORT, _LEASE, _LONG), loses=True),
    FaultKind.SCHEDULER_KILLED: Nature(Victim.LEADER, (0.0,)),
    FaultKind.SCHEDULER_FROZEN: Nature(Victim.LEADER, (_SHORT, 10.0)),
    FaultKind.MEMBER_KILLED: Nature(Victim.MEMBER, (0.0,), weakens=True),
    FaultKind.MEMBER_FROZEN: Nature(Victim.MEMBER, (_SHORT, _LEASE), weakens=True),
    FaultKind.ETCD_FROZEN: Nature(Victim.ETCD, (_SHORT, 7.0, _LEASE), halts=True, silences=True),
    FaultKind.ETCD_COMPACTED: Nature(Victim.ETCD, (0.0,)),
    FaultKind.ETCD_FULL: Nature(Victim.ETCD, (5.0, _LEASE), halts=True),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; times are seconds, `after` since the first of its episode."""

    kind: FaultKind
    host: str
    """Empty if no one host is meant; the leader's is known only when it happens."""
    lasts: float
    after: float = 0.0

    @property
    def nature(self) -> Nature:
        """What its kind is."""
        return NATURES[self.kind]


_SECOND = 0.5
"""How often a host's fault is joined by a second fault while it lasts."""
_WITHIN = 6.0
"""Seconds after the first within which it is."""


def episodes(
    dice: Random, hosts: Sequence[str], members: Sequence[str], kinds: Sequence[FaultKind] = tuple(FaultKind)
) -> Iterator[tuple[Fault, ...]]:
    """One or two faults each, without end; each kind has had its turn before any has another.

    The second is on another host, and never takes away a second member of etcd. Where most hosts are hit, it is one
    fault for each.
    """
    pile: list[FaultKind] = []
    while True:
        first = _fault(dice, _draw(dice, pile, kinds), hosts, members)
        if first.nature.victim is Victim.MOST:
            most = [host for host in hosts if host not in members] + [dice.choice(members)]
            yield tuple(replace(first, host=host) for host in most)
            continue
        if first.nature.victim is not Victim.HOST or dice.random() >= _SECOND:
            yield (first,)
            continue
        others = [host for host in hosts if host != first.host and not {host, first.host} <= set(members)]
        whole = [member for member in members if first.host not in members]
        unfit = {Victim.MOST} if whole else {Victim.MOST, Victim.MEMBER}
        kind = dice.choice([kind for kind in kinds if NATURES[kind].victim not in unfit])
        yield first, _fault(dice, kind, others, whole, after=round(dice.uniform(0.0, _WITHIN), 1))


def _draw(dice: Random, pile: list[FaultKind], kinds: Sequence[FaultKind]) -> FaultKind:
    if not pile:
        pile.extend(dice.sample(kinds, len(kinds)))
    return pile.pop()


def _fault(dice: Random, kind: FaultKind, hosts: Sequence[str], members: Sequence[str], *, after: float = 0.0) -> Fault:
    nature = NATURES[kind]
    hit = {Victim.HOST: hosts, Victim.MEMBER: members}.get(nature.victim, ("",))
    return Fault(kind, dice.choice(hit), dice.choice(nature.lasts), after)
