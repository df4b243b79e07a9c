"""Patches of machines' metadata: what is taken can be stored and read again; all else is refused with a sentence."""

from __future__ import annotations

from fleetpy.model.records import MachineSettingsRecord
from fleetpy.registry.keys import Keys
from fleetpy_api.errors import RefusedError, error_body
from fleetpy_api.patches import read_patches

WORDS = (
    '[{"op":"add","path":"/' + "1" * 32 + '/metadata/region","value":"eu"}]',
    '"op":"remove"',
    '"value":{"value":"x"}',
    '"VALUE":',
    "\\ud800",
    "\\u0000",
    "/",
    "~1",
    "[",
    "{",
    "null",
    "1e999",
)


def check(data: bytes) -> None:
    """Read a patch."""
    try:
        patches = read_patches(data)
    except RefusedError as error:
        error_body(error.code, str(error))
        return
    for patch in patches:
        key = Keys().settings(patch.machine)
        assert key.encode().count(b"/") == Keys().machine_settings.count("/")
        record = MachineSettingsRecord(metadata={patch.key: patch.value})
        again = MachineSettingsRecord.decode(record.encode())
        assert again.metadata.get(patch.key) == patch.value
