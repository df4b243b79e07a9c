from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from fleetpy_cli.main import cli
from tests.support.fake_fleetd import FakeFleetd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def fleetctl() -> Callable[..., Result]:
    """Run `fleetctl` in this process; it finds no options in the environment but those that a test gives."""

    def run(*arguments: str, **environment: str | None) -> Result:
        unset = dict.fromkeys(["NO_COLOR", *(name for name in os.environ if name.startswith("FLEETCTL_"))])
        return CliRunner(env={**unset, **environment}).invoke(cli, arguments)

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def fleetd() -> FakeFleetd:
    """A cluster with an original fleetd."""
    return FakeFleetd()


@pytest.fixture
def fleetctl_there(fleetctl: Callable[..., Result], fleetd: FakeFleetd, here: Path) -> Iterator[Callable[..., Result]]:
    """`fleetctl` with that cluster's endpoint."""
    with fleetd.serving(here.with_name("fleet.sock")) as endpoint:
        yield lambda *arguments: fleetctl(*arguments, FLEETCTL_ENDPOINT=endpoint)
