"""How routes are made: each is a Starlette route, and a row of the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

TEXT: Mapping[str, Any] = {"type": "string", "default": ""}
"""The JSON schema of a parameter that is a text."""
TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
"""The JSON schema of a parameter that may be given many times."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path, and what the OpenAPI document says of it; the endpoint's docstring says what it does."""

    method: str
    path: str
    endpoint: Endpoint
    answers: Mapping[int, type | None]
    """The entities of good answers, by status."""
    errors: Iterable[int] = ()
    """Other statuses; 503 is always possible."""
    takes: type | Mapping[str, Any] | None = None
    """The body: an entity, or a JSON schema."""
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters of the query, each with its JSON schema."""
    media_type: str = "application/json"
    """How good answers call themselves."""


class Table:
    """Every route, and the operations that the OpenAPI document tells of."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.operations: list[Operation] = []


class Routes:
    """Adds routes below a prefix; `in_schema` says whether the OpenAPI document shows them."""

    def __init__(self, table: Table, prefix: str, *, in_schema: bool = True) -> None:
        self._table = table
        self._prefix = prefix
        self._in_schema = in_schema

    def add(self, operation: Operation) -> None:
        """Have the operation's endpoint answer it, at its path below the prefix."""
        operation = replace(operation, path=self._prefix + operation.path)
        route = Route(operation.path, operation.endpoint)
        # Starlette adds HEAD to GET; the original does not have it.
        route.methods = {operation.method}
        self._table.routes.append(route)
        if self._in_schema:
            self._table.operations.append(operation)
