"""The targets by name, and the inputs that are kept for each."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in (HERE / "targets").glob("[a-z]*.py")))


@dataclass(frozen=True, slots=True)
class Target:
    """A reader of outside input."""

    name: str
    check: Callable[[bytes], None]
    words: tuple[bytes, ...]
    """What its language is made of."""

    @property
    def corpus(self) -> Path:
        """The folder with inputs that were thought of, and those that once broke something."""
        return HERE / "corpus" / self.name

    def kept(self) -> list[Path]:
        """The files in it."""
        return sorted(self.corpus.iterdir())


def load(name: str) -> Target:
    """The target of that name."""
    module = importlib.import_module(f"tests.fuzz.targets.{name}")
    return Target(name, module.check, tuple(word.encode(errors="surrogateescape") for word in module.WORDS))
