"""Answers as fleetctl reads them: an entity of the right types, or an error that says what does not fit."""

from __future__ import annotations

from fleetpy.client.errors import UnreadableAnswerError
from fleetpy.client.wire import decode, encode
from fleetpy.schemas.fleetpy_v1 import ChangeResults, Event, UnitStatusPage
from fleetpy.schemas.v1 import ErrorResponse, MachinePage, UnitPage, UnitStatePage

WORDS = (
    '{"units":[{"name":"a.service"}]}',
    '{"error":{"code":400,"message":"no"}}',
    '{"revision":1,"results":[]}',
    '"machines":[{"id":"1","metadata":{"a":"b"}}]',
    '"type":"unit"',
    "null",
    "true",
    "1e999",
    "[",
    "{",
    "\\ud800",
)
KINDS = (ChangeResults, Event, UnitStatusPage, ErrorResponse, MachinePage, UnitPage, UnitStatePage)


def check(data: bytes) -> None:
    """Read an answer as each of the entities."""
    for kind in KINDS:
        try:
            entity = decode(kind, data)
        except UnreadableAnswerError:
            continue
        assert isinstance(entity, kind)
        assert decode(kind, encode(entity)) == entity
