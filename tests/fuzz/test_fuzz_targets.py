"""Each reader of outside input keeps its promises for every kept input, and for thousands that are made of them."""

from __future__ import annotations

import pytest

from tests.fuzz import catalogue
from tests.fuzz.inputs import LONGEST, variations

MADE = 1500
SEED = 1

KEPT = [(name, path.name) for name in catalogue.NAMES for path in catalogue.load(name).kept()]


@pytest.mark.parametrize(("name", "file"), KEPT)
def test_a_kept_input_breaks_nothing(name: str, file: str) -> None:
    target = catalogue.load(name)
    target.check((target.corpus / file).read_bytes())


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_made_inputs_break_nothing(name: str) -> None:
    target = catalogue.load(name)
    seeds = [path.read_bytes() for path in target.kept() if path.stat().st_size <= LONGEST]
    for data in variations(seeds, target.words, MADE, SEED):
        try:
            target.check(data)
        except BaseException as error:
            error.add_note(f"the input was {data!r}")
            raise
