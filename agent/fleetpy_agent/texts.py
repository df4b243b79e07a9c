"""Unit files' texts, as the registry has them, by hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetpy.errors import InvalidRequirementError, InvalidUnitFileError
from fleetpy.model.records import UnitFileRecord
from fleetpy.unit.file import UnitFile
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import OnPartition, read_requirements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fleetpy.ids import UnitHash, UnitName
    from fleetpy.registry.protocol import Entry
    from fleetpy_agent.home import Home


@dataclass(frozen=True, slots=True)
class Text:
    """A unit file as it is written on the host."""

    file: UnitFile

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.file.text

    @property
    def installs(self) -> bool:
        """It has an [Install] section, which is to be put into force."""
        return any(option.section == "Install" for option in self.file.options)

    @property
    def refuses_stop(self) -> bool:
        """It may say that nobody is to stop the unit by hand, which is what systemd takes the agent's doing for."""
        return any((option.section, option.name) == ("Unit", "RefuseManualStop") for option in self.file.options)

    def stops(self, name: UnitName) -> bool:
        """Whether the unit of that name is one with `OnPartition=stop`; if that cannot be read, it is to be safe."""
        try:
            return read_requirements(parse_unit_name(name), self.file).on_partition is OnPartition.STOP
        except InvalidRequirementError:
            return True


async def fetch_texts(home: Home, hashes: Collection[UnitHash]) -> Mapping[UnitHash, Text | str]:
    """The text of each hash, or in words why there is none. Raises `UnavailableError`."""
    keys = {unit_hash: home.keys.unit_file(unit_hash) for unit_hash in sorted(hashes)}
    found = await home.registry.get_many(tuple(keys.values()))
    return {unit_hash: _read(unit_hash, found.get(key)) for unit_hash, key in keys.items()}


def _read(unit_hash: UnitHash, entry: Entry | None) -> Text | str:
    if entry is None:
        return f"the registry does not have its unit file {unit_hash}"
    try:
        file = UnitFile.parse(UnitFileRecord.decode(entry.value).text)
    except (ValueError, InvalidUnitFileError) as error:
        return f"its unit file {unit_hash} cannot be read: {error}"
    if file.hash != unit_hash:
        return f"the registry's unit file {unit_hash} has another hash, {file.hash}"
    return Text(file)
