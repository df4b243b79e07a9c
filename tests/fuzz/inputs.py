"""Bytes as the text of all kinds that Python has, and inputs made from seeds: the same ones each time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST = 4096
"""Bytes of a made input."""

_ODD = (
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x90\x8d",
    b"9" * 30,
    b"-1",
    b"1e999",
    b"NaN",
    b"\\ud800",
)


def text_of(data: bytes) -> str:
    """The text; bytes that are no UTF-8 become lone surrogates, as JSON may have them too."""
    return data.decode(errors="surrogateescape")


def halves_of(data: bytes) -> tuple[str, str]:
    """Two texts, parted at the first NUL."""
    first, _, second = data.partition(b"\0")
    return text_of(first), text_of(second)


def variations(seeds: Sequence[bytes], words: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` inputs: seeds with some of their bytes cut, doubled, turned, mixed with others or with `words`."""
    dice = random.Random(seed)  # noqa: S311 - no secret hangs on it
    pieces = (*words, *_ODD)
    for _ in range(count):
        data = dice.choice(seeds) if seeds else b""
        for _ in range(dice.randint(1, 6)):
            data = _vary(data, seeds, pieces, dice)
        yield data[:LONGEST]


def _vary(data: bytes, seeds: Sequence[bytes], pieces: Sequence[bytes], dice: random.Random) -> bytes:
    first, second = sorted((dice.randint(0, len(data)), dice.randint(0, len(data))))
    match dice.randrange(6):
        case 0:
            return data[:first] + data[second:]
        case 1:
            return data[:second] + data[first:]
        case 2:
            return data[:first] + dice.choice(seeds or pieces)[: dice.randint(0, 64)] + data[second:]
        case 3 if data:
            at = dice.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        case _:
            return data[:first] + dice.choice(pieces) + data[first:]
