"""Units' names as D-Bus object paths: every byte but letters and digits becomes `_` and its code in hexadecimal.

The rule is systemd's bus_label_escape: a digit in front is escaped too.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from fleetpy_agent.systemd.protocol import JobID

if TYPE_CHECKING:
    from fleetpy.ids import UnitName

ROOT = "/org/freedesktop/systemd1"
_UNITS = f"{ROOT}/unit/"
_PLAIN = frozenset(string.ascii_letters + string.digits)


def unit_path(name: UnitName) -> str:
    """The object path of a unit."""
    label = "".join(char if char in _PLAIN else f"_{ord(char):02x}" for char in name)
    if label[:1].isdigit():
        label = f"_{ord(label[0]):02x}{label[1:]}"
    return _UNITS + label


def job_id(path: str) -> JobID:
    """The job that an object path stands for; raises `ValueError` for a path that is none of a job."""
    return JobID(int(path.rpartition("/")[2]))
