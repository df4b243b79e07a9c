"""What stands in front of the application, for every request: who serves, how much it may send, what is counted.

Plain ASGI, since a stream of events passes through it: nothing is buffered, and a request counts as open until its
last byte is sent.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from fleetpy import __version__
from fleetpy_api.errors import error_response

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from fleetpy_api.activity import Activity
    from fleetpy_api.metrics import Metrics
    from fleetpy_api.picture import Picture

SERVER = f"fleetpy/{__version__}"
"""The value of the `Server` header."""

STALE = b'110 fleetpy "etcd is away: this is what was last seen"'
"""The value of the `Warning` header of answers from a picture that is not kept up to date (RFC 7234, 5.5.1)."""

MAX_BODY = 2 * 1024 * 1024
"""Bytes that a request may send: one unit, at its largest, spelt out as options."""
MAX_BATCH_BODY = 16 * 1024 * 1024
"""Bytes that a batch of changes may send."""
MAX_BODIES = 64 * 1024 * 1024
"""Bytes that the requests that are open may have sent, all together."""
BATCH_PATH = "/fleetpy/v1/changes"


class Front:
    """The application as the server runs it."""

    def __init__(self, app: ASGIApp, picture: Picture, activity: Activity, metrics: Metrics) -> None:
        self._app = app
        self._picture = picture
        self._activity = activity
        self._metrics = metrics
        self.bodies = 0
        """Bytes that the requests that are open have sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._activity.request():
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        status = 0

        async def send_as_fleetpy(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers(scope["method"], status)]
            await send(message)

        limit = MAX_BATCH_BODY if scope["path"] == BATCH_PATH else MAX_BODY
        body = _Body(self, receive, limit)
        try:
            if refusal := _refusal(scope, limit):
                await refusal(scope, receive, send_as_fleetpy)
            else:
                await self._app(scope, body.receive, send_as_fleetpy)
        except Exception:
            # Answered and logged by the handler of defects already; only a server's own log would repeat it.
            if not status:
                raise
        finally:
            self.bodies -= body.received
            self._metrics.answered(scope["method"], status, time.monotonic() - began)

    def _headers(self, method: str, status: int) -> list[tuple[bytes, bytes]]:
        headers = [(b"server", SERVER.encode()), (b"date", formatdate(usegmt=True).encode())]
        if method == "GET" and status == HTTPStatus.OK and not self._picture.is_live:
            headers.append((b"warning", STALE))
        return headers


class _Body:
    """What a request sends: not too much, and not too much together with all others."""

    def __init__(self, front: Front, receive: Receive, limit: int) -> None:
        self._front = front
        self._receive = receive
        self._limit = limit
        self.received = 0

    async def receive(self) -> Message:
        """The next message, as ASGI has it; raises `HTTPException` (413, 503)."""
        message = await self._receive()
        size = len(message.get("body", b""))
        self.received += size
        self._front.bodies += size
        if self.received > self._limit:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(self._limit), {"Connection": "close"})
        if self._front.bodies > MAX_BODIES:
            words = f"fleet-api is being sent more than {MAX_BODIES} bytes at once, by all who ask; try again"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, words, {"Connection": "close"})
        return message


def too_large(limit: int) -> str:
    """What a client that sends too much is told."""
    return f"the request's body is larger than {limit} bytes; send less at a time"


def _refusal(scope: Scope, limit: int) -> Response | None:
    """What a request is answered whose headers alone tell that it is not to be served."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if length and any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        # Whoever stands between may take the one for the body's end where we take the other (RFC 9112, 6.3).
        words = "the request has both a Content-Length and a Transfer-Encoding; send one of them"
        return error_response(HTTPStatus.BAD_REQUEST, words, {"Connection": "close"})
    if length.isdigit() and int(length) > limit:
        return error_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(limit), {"Connection": "close"})
    return None
