"""What somebody may have written into the registry: keys of every kind, with values that are almost right, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy.registry.protocol import Put
from tests.fuzz import catalogue
from tests.fuzz.inputs import text_of, variations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fleetpy.registry.keys import Keys

KEYS_WRITTEN = 400


def rubbish(keys: Keys, seed: int, spared: Collection[str]) -> Iterator[Put]:
    """Writes, the same ones for a seed; none to a key that has one of `spared` in it."""
    target = catalogue.load("registry")
    seeds = [path.read_bytes() for path in target.kept()]
    for data in (*seeds, *variations(seeds, target.words, KEYS_WRITTEN, seed)):
        rest, _, value = data.partition(b"\0")
        key = keys.prefix + rest.decode(errors="replace")
        if not any(word in key for word in spared):
            yield Put(key, text_of(value).encode(errors="surrogateescape"))
