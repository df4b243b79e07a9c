"""What benchmarks measured, read back from their files.

`benchmarks/results/` has the last run of each, whole, and is nobody else's. `docs/performance/` has those that
docs/performance.md shows, without single runs (`raw`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import RESULTS, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEPT = Path(__file__).parent.parent / "docs" / "performance"
"""Results and plots that the page shows."""

_OF_TARGET = {field.name for field in fields(Target)}


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark's file."""

    name: str
    document: Mapping[str, Any]

    @property
    def where(self) -> Mapping[str, Any]:
        """When, on what, and with what was measured."""
        where: Mapping[str, Any] = self.document["where"]
        return where

    @property
    def targets(self) -> Sequence[Target]:
        """What was measured beside what was asked for."""
        return [
            Target(**{name: value for name, value in target.items() if name in _OF_TARGET})
            for target in self.document["targets"]
        ]

    def rows(self, *keys: str) -> Sequence[Mapping[str, Any]]:
        """The rows of every table that has all of these columns."""
        return [row for table in self.document["tables"] for row in table["rows"] if all(key in row for key in keys)]


def read(name: str, directory: Path) -> Result | None:
    """A benchmark's result; None if there is none."""
    path = directory / f"{name}.json"
    return Result(name, json.loads(path.read_text())) if path.exists() else None


def keep(name: str) -> bool:
    """Keep the last run of a benchmark for the page; False if there is none, or it was but tried out (`--quick`)."""
    last = read(name, RESULTS)
    if last is None or last.where["options"]["quick"]:
        return False
    KEPT.mkdir(exist_ok=True)
    document = {key: value for key, value in last.document.items() if key != "raw"}
    (KEPT / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    return True
