"""What bodies may say: exactly what the document promises to take, and errors name the place."""

from __future__ import annotations

from typing import Any

import pytest

from fleetpy.schemas.fleetpy_v1 import ChangeBatch, MachineChange
from fleetpy.schemas.v1 import UnitEntity
from fleetpy_api.bodies import to_entity
from fleetpy_api.errors import RefusedError
from tests.unit.api.harness import M1, serving

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (UnitEntity, [], "expected `object`, got `array`"),
        (UnitEntity, {"name": 1}, "name: expected `str`, got `int`"),
        (UnitEntity, {"options": [{}, 3]}, "options.0.section: field required"),
        (UnitEntity, {"options": [{"section": "a", "name": None}]}, "options.0.name: expected `str`, got `null`"),
        (ChangeBatch, {}, "changes: field required"),
        (
            ChangeBatch,
            {"changes": [{"name": "a", "options": [7]}]},
            "changes.0.options.0: expected `object`, got `int`",
        ),
        (MachineChange, {"cordoned": "yes"}, "cordoned: expected `bool | null`, got `str`"),
        (MachineChange, {"cordoned": 1}, "cordoned: expected `bool | null`, got `int`"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(kind: type, value: Any, words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        to_entity(value, kind)
    assert (refused.value.code, str(refused.value)) == (400, words)


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert to_entity({"draining": False, "new": [1]}, MachineChange) == MachineChange(draining=False)


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is not JSON: "),
        (b'{"draining": NaN}', "the body is not JSON: "),
        (b'{"draining": "\xff"}', "the body is not JSON: 'utf-8' codec can't decode"),
        (b'{"draining": "\\ud800"}', "the body is not JSON: "),
        (b'{"a":' * 100_000, "the body is nested too deeply"),
    ],
)
async def test_what_is_no_json_is_400(body: bytes, words: str) -> None:
    async with serving() as cluster:
        await cluster.join(M1)
        answer = await cluster.ask("PATCH", f"/fleetpy/v1/machines/{M1}", content=body, headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(words)
