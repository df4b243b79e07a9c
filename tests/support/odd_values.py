"""What hypothesis makes of the registry: values of every kind under keys of every kind, many of them nearly right.

What is nearly right has the fields of the real record, some of them with other values, missing, or beside strange ones.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import TYPE_CHECKING, Self

from hypothesis import strategies as st

from fleetpy.registry.protocol import Put
from fleetpy.unit.file import UnitFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetpy.ids import MachineID
    from fleetpy.registry.keys import Keys

ODD = "odd.service"
"""A name that is as good as any other; nobody else uses it."""
_FILE = UnitFile.parse("[Service]\nExecStart=/bin/odd\n")
_WHEN = "2026-01-02T00:00:00Z"
_PLACED: Mapping[str, object] = {"uid": 3, "hash": _FILE.hash, "goal": "launched", "epoch": 4}

_RIGHT: Mapping[str, Mapping[str, object]] = {
    "units/": {"desired": "launched", "hash": _FILE.hash, "changed_at": _WHEN, "changed_by": "me"},
    "unit-files/": {"text": _FILE.text},
    "machines/": {"id": "7" * 32, "session": "s", "hostname": "h", "public_ip": "192.0.2.7", "version": "1"},
    "machine-settings/": {"metadata": {"disk": "ssd", "gone": None}, "cordoned": True, "draining": False},
    "placements/": {**_PLACED, "restarted": _WHEN, "stops": True},
    "states/": {**_PLACED, "load": "loaded", "active": "active", "sub": "running", "since": _WHEN, "adrift": True},
    "scheduler/leader": {"identity": "me", "since": _WHEN},
    "scheduler/brake": {"machines": ["7" * 32], "lost": 3, "total": 5, "until": _WHEN},
    "scheduler/released": {"machines": ["7" * 32], "released_at": _WHEN, "released_by": "me"},
    "nobody/knows/": {},
}
"""Each kind of key with a value that could be there."""

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        [-1, 2**31, 2**63, 2**64, 10**30, "", "launched", "inactive", "1970", _WHEN, "9999-12-31T23:59:59Z"]
    )
    | st.floats()
    | st.text(max_size=12)
)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _nearly_right(draw: st.DrawFn, right: Mapping[str, object]) -> bytes:
    fields = dict(right)
    for name in draw(st.lists(st.sampled_from([*sorted(right), "of a newer fleetpy"]), max_size=2, unique=True)):
        if draw(st.booleans()):
            fields[name] = draw(_json)
        else:
            fields.pop(name, None)
    text = json.dumps(fields)
    cut = draw(st.sampled_from([0, 0, 0, 0, 1, len(text) // 2]))
    return text[: len(text) - cut].encode()


@st.composite
def odd_writes(draw: st.DrawFn, keys: Keys, machine: MachineID) -> tuple[Put, ...]:
    """Writes to keys that are nobody's in particular, those of `machine` among them, though not its registration."""
    names = st.sampled_from([ODD, "other@.service", "no-type", "a/b.service", "", "x" * 250 + ".service"])
    machines = st.sampled_from([machine, "7" * 32, "short", "", "7" * 31 + "/"])
    writes = []
    for kind in draw(st.lists(st.sampled_from(sorted(_RIGHT)), min_size=1, max_size=10)):
        match kind:
            case "placements/" | "states/":
                key = f"{kind}{draw(machines)}/{draw(names)}"
            case "machines/":
                key = kind + draw(machines.filter(lambda one: one != machine))
            case "machine-settings/":
                key = kind + draw(machines.filter(lambda one: one != machine))
            case "unit-files/":
                key = kind + draw(st.sampled_from([_FILE.hash, "0" * 40, "", "not a hash"]))
            case "units/" | "nobody/knows/":
                key = kind + draw(names)
            case _:
                key = kind
        value = draw(
            st.binary(max_size=20)
            | _json.map(lambda content: json.dumps(content).encode())
            | _nearly_right(_RIGHT[kind])
            | _nearly_right(_RIGHT[kind])
            | st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe{}", b"NaN", b'"\\ud800"'])
        )
        writes.append(Put(keys.prefix + key, value))
    # Of two values of one key each would be told of, in the same words.
    return tuple({write.key: write for write in writes}.values())


class Complaints(logging.Handler):
    """Counts what is said at the level of warnings and errors, while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.said[record.getMessage()] += 1

    def repeated(self) -> list[str]:
        """Whatever was said of a value more than once."""
        return [words for words, times in self.said.items() if "cannot be read" in words and times > 1]

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
