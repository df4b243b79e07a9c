"""Page tokens: those that can be read stand for one place in one list; all others are refused."""

from __future__ import annotations

from fleetpy.ids import Revision
from fleetpy_api.errors import RefusedError
from fleetpy_api.pages import Pager, PageToken
from tests.fuzz.inputs import text_of

WORDS = ("=", "==", "-", "_", "AQ", "AQEA", "A" * 20)
NAMES = ["a.service", "b.service", "c.service"]


def check(data: bytes) -> None:
    """Ask for the page of a token."""
    text = text_of(data)
    try:
        token = PageToken.decode(text)
    except ValueError:
        pass
    else:
        assert PageToken.decode(token.encode()) == token
    pager: Pager[str] = Pager(1, 1, lambda: 0.0)
    try:
        page = pager.page([text], Revision(7), lambda: [(name, name) for name in NAMES])
    except RefusedError as error:
        str(error).encode()
        return
    assert list(page.items) in ([], *([name] for name in NAMES))
