"""`python -m docs.man FOLDER`: write every manual page, each into `man1`, `man5` or `man8` of the folder."""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from docs.man.commands import command_pages
from docs.man.conf import conf_page
from docs.man.daemons import daemon_pages
from docs.man.roff import Page
from fleetpy import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator


def pages(made: date) -> Iterator[Page]:
    """Every page, as made on that day."""

    def new(name: str, section: int, summary: str) -> Page:
        return Page(name, section, summary, date=made, source=f"fleetpy {__version__}")

    yield from command_pages(new)
    yield from daemon_pages(new)
    yield conf_page(new)


def main(folder: Path) -> None:
    """Write them. SOURCE_DATE_EPOCH, if it is set, is when they are made (reproducible-builds.org)."""
    made = datetime.fromtimestamp(float(os.environ.get("SOURCE_DATE_EPOCH") or datetime.now(UTC).timestamp()), UTC)
    for page in pages(made.date()):
        path = folder / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.text, encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
