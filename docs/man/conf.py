"""fleet.conf(5), from the sample that the documentation has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docs.man.roff import Page

SAMPLE = Path(__file__).parents[1] / "fleet.conf.sample"


class Explained(NamedTuple):
    """Options that one comment explains, each with the value that the sample shows."""

    options: tuple[tuple[str, str], ...]
    text: str


def read_sample(text: str) -> Iterator[Explained]:
    """What the sample explains, in its order.

    It has blocks with a blank line between them: comment lines, and below them options, each behind `# ` since what
    is shown are the defaults. A block without options is about the whole file.
    """
    for block in text.strip().split("\n\n"):
        lines = [line.removeprefix("#").strip() for line in block.splitlines()]
        options = tuple(
            (name, value) for name, equals, value in (line.partition("=") for line in lines) if _is_option(name, equals)
        )
        words = [line for line in lines if not _is_option(*line.partition("=")[:2])]
        if options:
            yield Explained(options, " ".join(words))


def _is_option(name: str, equals: str) -> bool:
    return bool(equals) and name.replace("_", "").isalpha() and name.islower()


def conf_page(new: Callable[[str, int, str], Page]) -> Page:
    """The page."""
    page = new("fleet.conf", 5, "what the daemons of a host of a fleet are configured with")
    page.heading("SYNOPSIS")
    page.synopsis(["/etc/fleet/fleet.conf"])
    page.heading("DESCRIPTION")
    page.paragraphs(
        "Read by fleet-agent(8), fleet-scheduler(8) and fleet-api(8). Lines of `name=value` outside of sections; "
        "a backslash at its end continues a line. `#` and `;` begin a comment, on a line of its own or behind a value "
        "and a blank. A value may stand in quotes. A list is JSON, or separated by commas. A duration is a number of "
        "seconds, or as `500ms`, `10s`, `1m30s`. A line that is wrong is an error that names it, and the daemon does "
        "not start.\n\n"
        "Each option may also be given in the environment, as `FLEET_NAME`, which goes over the file."
    )
    page.heading("OPTIONS")
    for explained in read_sample(SAMPLE.read_text(encoding="utf-8")):
        for index, (name, value) in enumerate(explained.options):
            same = "" if index == 0 else f"See `{explained.options[0][0]}`. "
            shown = value.strip('"')
            default = (
                f"\n\nAs in: `{name}={value}`."
                if name in _SHOWN_BY_EXAMPLE
                else f" Default: `{shown}`."
                if shown
                else ""
            )
            page.item(name, f"{same or explained.text}{default}")
    page.paragraphs(
        "Options that steered the insides of the original `fleetd` (`disable_watches`, `enable_grpc`, "
        "`verify_units`, `authorized_keys_file`) are accepted, and a warning says why they have no effect."
    )
    page.see_also(["fleet-agent(8)", "fleet-scheduler(8)", "fleet-api(8)"])
    return page


_SHOWN_BY_EXAMPLE = frozenset({"metadata"})
"""Options whose value in the sample is not the default, which is nothing."""
