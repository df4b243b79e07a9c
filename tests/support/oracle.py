"""What a prefix held at each revision, and holding a view to it: nothing missed, nothing told twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.ids import Revision
from fleetpy.registry.protocol import Delete, Put

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from fleetpy.registry.protocol import Entry, Write
    from fleetpy.registry.view import Changes


def with_revision(entry: Entry) -> str:
    """Decodes for the oracle: a value can be told from the same one written again."""
    return f"{entry.value.decode()}@{entry.mod_revision}"


def random_writes(dice: random.Random, prefix: str) -> list[Write]:
    """A transaction's writes, on a few of a dozen keys."""
    chosen = dice.sample(range(12), dice.randint(1, 5))
    return [
        Delete(f"{prefix}{number}") if dice.random() < 0.4 else Put(f"{prefix}{number}", b"%d" % dice.randint(0, 9))
        for number in chosen
    ]


class Oracle:
    """Is told of every write, in order, and checks every change that a view tells."""

    def __init__(self, revision: Revision) -> None:
        """`revision`: one at which the prefix was empty."""
        self._at: dict[Revision, dict[str, str]] = {revision: {}}
        self._newest = revision
        self._mirror: dict[str, str] = {}
        self._checked = Revision(0)
        self._waiting: list[Changes[str]] = []

    @property
    def newest(self) -> dict[str, str]:
        """What the prefix holds now."""
        return self._at[self._newest]

    def note(self, revision: Revision, writes: Iterable[Write]) -> None:
        """The writes were committed at this revision; the view may have been told of them before."""
        state = dict(self._at[self._newest])
        for write in writes:
            if isinstance(write, Put):
                state[write.key] = f"{write.value.decode()}@{revision}"
            else:
                state.pop(write.key, None)
        self._newest = max(self._newest, revision)
        self._at[self._newest] = state
        while self._waiting and self._waiting[0].revision <= self._newest:
            self._check(self._waiting.pop(0))

    def hold(self, changes: Changes[str]) -> None:
        """A subscriber of the view."""
        if self._waiting or changes.revision > self._newest:
            self._waiting.append(changes)
        else:
            self._check(changes)

    def _check(self, changes: Changes[str]) -> None:
        assert changes.revision > self._checked, "told twice, or backwards"
        self._checked = changes.revision
        assert not changes.changed.keys() & changes.removed
        assert changes.removed <= self._mirror.keys(), "told of a removal of what it had not told of"
        for key, value in changes.changed.items():
            assert self._mirror.get(key) != value, "told twice"
            self._mirror[key] = value
        for key in changes.removed:
            del self._mirror[key]
        then = max(revision for revision in self._at if revision <= changes.revision)
        assert self._mirror == self._at[then], "missed something"
