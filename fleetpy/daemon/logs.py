"""Logging: one sentence a line on standard error, which systemd puts into the journal.

Under systemd each line starts with its priority (`<4>`), as sd-daemon(3) describes, and carries no time: the journal
knows it. By hand a time stands in front instead.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITY.get(record.levelno, 6)
        # Each line of a traceback needs its own prefix, or the journal takes it for an ordinary message.
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def configure_logging(verbosity: int, environ: Mapping[str, str]) -> None:
    """Log sentences to standard error; `verbosity` above 0 logs debug messages of fleetpy too."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in environ:
        handler.setFormatter(_JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("fleetpy", "fleetpy_agent", "fleetpy_api", "fleetpy_scheduler"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbosity else logging.INFO)
