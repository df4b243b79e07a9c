"""What every test needs, whatever it tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_LINES = 25
"""How many of a failure's last lines are shown at once."""


class _FailuresAtOnce:
    """Shows how each failure ends as soon as it is there: all of it comes last, or never if the run is ended before."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            end = "\n".join(report.longreprtext.splitlines()[-_LINES:])
            terminal.write_line(f"\n{report.nodeid} ({report.when}, {report.duration:.0f} s):\n{end}\n", red=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_FailuresAtOnce(config))
    # looptime asks for the current event loop before each test, and in a test that has none asyncio would make one up,
    # which nobody closes. Once the loop was set, to whatever, it makes up none.
    asyncio.set_event_loop(None)
