"""The command `fleet-agent`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy import __version__
from fleetpy.errors import UnavailableError
from fleetpy_agent.main import lock, main

if TYPE_CHECKING:
    from pathlib import Path


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"fleet-agent {__version__}\n"


def test_a_wrong_configuration_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fleet.conf"
    file.write_text("agent_tll=10s\n", encoding="utf-8")
    assert main(["--config", str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("fleet-agent: ")
    assert "did you mean agent_ttl?" in told
    assert told.count("\n") == 1


def test_a_host_has_one_agent_at_a_time(tmp_path: Path) -> None:
    held = lock(tmp_path / "agent")
    with pytest.raises(UnavailableError, match="another fleet-agent runs on this host"):
        lock(tmp_path / "agent")
    held.close()
    lock(tmp_path / "agent").close()
