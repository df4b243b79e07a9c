"""The [X-Fleet] section: read into requirements that hold together, or refused with a sentence."""

from __future__ import annotations

from fleetpy.errors import InvalidRequirementError, InvalidUnitFileError
from fleetpy.unit.file import UnitFile
from fleetpy.unit.glob import check_pattern
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import read_requirements
from tests.fuzz.inputs import text_of

WORDS = (
    "MachineID=",
    "MachineOf=",
    "MachineMetadata=",
    "Conflicts=",
    "Replaces=",
    "Global=",
    "OnPartition=stop",
    "X-ConditionMachineID=",
    "X-ConditionMachineBootID=",
    "X-Conflicts=",
    "a=b",
    "web@*.service",
    "a@1.service",
    "%i",
    "%n",
    "%p",
    '"',
    "true",
    "f" * 32,
    "\n",
    "\\\n",
)
NAMES = tuple(map(parse_unit_name, ("a.service", "a@1.service", "a@.service")))


def check(data: bytes) -> None:
    """Read a section's lines, for a unit, an instance and a template."""
    try:
        file = UnitFile.parse("[X-Fleet]\n" + text_of(data))
    except InvalidUnitFileError:
        return
    for name in NAMES:
        try:
            found = read_requirements(name, file)
        except InvalidRequirementError:
            continue
        for leader in found.machine_of:
            assert not parse_unit_name(leader).is_template
        for pattern in (*found.conflicts, *found.replaces):
            check_pattern(pattern)
        assert all(key and values for key, values in found.metadata)
        assert not (found.is_global and (found.machine_id or found.machine_of or found.replaces))
        assert found == read_requirements(name, UnitFile.parse(file.text))
