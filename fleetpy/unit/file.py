"""A unit file as a value: its options, its canonical text, and the hash that names it.

The canonical text is what the original fleet's serialiser writes: sections in the order in which they first appear,
each once, with its options in their order, one blank line between sections; comments and empty sections are gone.
Options are kept in that order from the start, so that reading the canonical text gives an equal file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from sys import intern
from typing import TYPE_CHECKING, Self

from fleetpy.errors import InvalidUnitFileError
from fleetpy.ids import UnitHash
from fleetpy.unit.option import UnitOption, check_option
from fleetpy.unit.parser import MAX_UNIT_FILE_BYTES, check_text, parse_options

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_UNIT_FILE_BYTES", "UnitFile", "UnitOption"]


MAX_OPTIONS = 10_000
"""Options of a unit file: spelt out for the API, that many fit into one request beside the longest text."""


@dataclass(frozen=True, slots=True)
class UnitFile:
    """The options of a unit file, grouped by section; made by `parse` or `from_options`, which check them."""

    options: tuple[UnitOption, ...] = ()
    hash: UnitHash = field(init=False, repr=False, compare=False)
    """The SHA-1 of the canonical text: the same as the original's for the same options."""

    def __post_init__(self) -> None:
        """Name it once: many units may have the same file."""
        digest = hashlib.sha1(self.text.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "hash", UnitHash(intern(digest)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a unit file's text; raises `InvalidUnitFileError` with the offending line's number."""
        return cls._checked(parse_options(text))

    @classmethod
    def from_options(cls, options: Iterable[UnitOption]) -> Self:
        """Take options as the API gets them; raises `InvalidUnitFileError` for one that cannot stand in a file.

        Accepted is what `parse` can give: whatever would change between writing a file and reading it is refused.
        """
        accepted = list(options)
        for option in accepted:
            check_option(option)
        return cls._checked(accepted)

    @classmethod
    def _checked(cls, options: list[UnitOption]) -> Self:
        if len(options) > MAX_OPTIONS:
            raise InvalidUnitFileError(
                f"the unit file has {len(options)} options, more than the {MAX_OPTIONS} that it may have"
            )
        file = cls(_grouped(options))
        check_text(file.text)
        return file

    @property
    def text(self) -> str:
        """The canonical text, byte for byte the original's; empty for a file without options."""
        lines: list[str] = []
        section = None
        for option in _grouped(self.options):
            if option.section != section:
                section = option.section
                lines.append(f"\n[{section}]" if lines else f"[{section}]")
            lines.append(f"{option.name}={option.value}")
        return "\n".join(lines) + "\n" if lines else ""

    def values(self, section: str, name: str) -> tuple[str, ...]:
        """The option's values in order, verbatim, empty ones included."""
        return tuple(option.value for option in self.options if option.name == name and option.section == section)

    @property
    def description(self) -> str:
        """The first `Description=` in `[Unit]`, as the original shows it; empty if there is none."""
        return next(iter(self.values("Unit", "Description")), "")


def _grouped(options: Iterable[UnitOption]) -> tuple[UnitOption, ...]:
    """The options with each section's together, in the order in which the sections first appear."""
    sections: dict[str, list[UnitOption]] = {}
    for option in options:
        sections.setdefault(option.section, []).append(option)
    return tuple(option for members in sections.values() for option in members)
