"""What was promised, in numbers (docs/deploying.md and ADR 9 say where they come from)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promises:
    """All of them are seconds."""

    ttl: float = 10.0
    """`agent_ttl`: how long a machine may be silent before it is taken for dead."""
    grace: float = 3.0
    """Within this on top of it everything runs that can."""
    stop_bound: float = 15.0
    """How much later, and by a lease besides, a unit with `OnPartition=stop` starts elsewhere."""
    lease: float = 8.0
    """What the agent has for a lease."""
    renewal: float = 8.0 / 3
    """How often the lease is renewed: it lasts for at least `lease - renewal` after the agent was last heard of."""
    thaw: float = 1.0
    """How long a stale copy may go on after its host was thawed."""

    @property
    def recovery(self) -> float:
        """Within this of a fault everything runs again, if nothing holds it."""
        return self.ttl + self.grace

    @property
    def surely_held(self) -> float:
        """A machine that is silent for less is not lost."""
        return self.lease - self.renewal
