"""What every test needs, whatever it tests."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    # looptime asks for the current event loop before each test, and in a test that has none asyncio would make one up,
    # which nobody closes. Once the loop was set, to whatever, it makes up none.
    asyncio.set_event_loop(None)
