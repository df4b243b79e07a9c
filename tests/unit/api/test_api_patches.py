"""JSON Patch of machines' metadata."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fleetpy.ids import MachineID
from fleetpy.model.limits import MAX_METADATA_VALUE
from fleetpy_api.errors import RefusedError
from fleetpy_api.patches import MetadataPatch, read_patches

M1 = MachineID("a" * 32)


def operation(**fields: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/{M1}/metadata/region", "value": "eu"} | fields


def read(*operations: Any) -> list[MetadataPatch]:
    return read_patches(json.dumps(operations).encode())


@pytest.mark.parametrize("verb", ["add", "replace"])
@pytest.mark.parametrize("value", [{"value": "eu"}, {"value": {"value": "eu"}}, {"Value": {"value": "eu"}}])
def test_a_value_may_be_wrapped_as_the_original_took_it(verb: str, value: dict[str, Any]) -> None:
    given = {"op": verb, "path": f"/{M1}/metadata/region", **value}
    assert read(given) == [MetadataPatch(M1, "region", "eu")]


def test_remove_needs_no_value_and_ignores_one() -> None:
    without = {"op": "remove", "path": f"/{M1}/metadata/region"}
    assert read(without, without | {"value": "x"}) == [MetadataPatch(M1, "region", None)] * 2


def test_operations_keep_their_order() -> None:
    assert [patch.value for patch in read(operation(value="a"), operation(op="remove"), operation(value="b"))] == [
        "a",
        None,
        "b",
    ]


def test_no_operations_are_fine() -> None:
    assert read() == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (operation(op="noop"), "its op is 'noop'"),
        (operation(op=None), "its op is None"),
        (operation(path="/XXX/foo"), "its path is"),
        (operation(path=f"/{M1}/metadata/"), "its path is"),
        (operation(path=f"/{M1}/metadata/a/b"), "its path is"),
        (operation(path=f"/{M1}/metadata/a b"), "its path is"),
        (operation(path=f"/{M1}/metadata/a\n"), "its path is"),
        (operation(path="//metadata/a"), "its path is"),
        (operation(path=7), "its path is 7"),
        (operation(value=""), "take a value"),
        (operation(value={"value": ""}), "take a value"),
        (operation(value=None), "take a value"),
        (operation(value=7), "take a value"),
        ({"op": "add", "path": f"/{M1}/metadata/a"}, "take a value"),
        (operation(value="x" * (MAX_METADATA_VALUE + 1)), "longer than"),
        ("add", "not an object"),
    ],
)
def test_a_wrong_operation_is_400_and_named(wrong: Any, words: str) -> None:
    with pytest.raises(RefusedError, match=f"operation 1 of the patch: .*{words}") as caught:
        read(operation(), wrong)
    assert caught.value.code == 400


@pytest.mark.parametrize(("body", "words"), [(b"", "not JSON"), (b"[", "not JSON"), (b"{}", "a list of operations")])
def test_what_is_no_patch_is_400(body: bytes, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        read_patches(body)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[" * 100_000, "the body is nested too deeply"),
        (b"9" * 5000, "the body is not JSON: "),
        (b'[{"op":"\xff"}]', "the body is not JSON: "),
        (
            b'[{"op":"add","path":"/%s/metadata/a","value":"\\ud800"}]' % M1.encode(),
            "operation 0 of the patch: its value is not valid Unicode",
        ),
        (b'[{"op":"add","path":"/\\ud800/metadata/a","value":"b"}]', "operation 0 of the patch: its path is '/\\ud800"),
        (b'[{"op":"add","path":"/1\\n/metadata/a","value":"b"}]', "operation 0 of the patch: its path is '/1\\n"),
    ],
)
def test_what_no_registry_could_hold_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(RefusedError, match="^" + re.escape(problem)):
        read_patches(body)
