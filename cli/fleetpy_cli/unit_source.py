"""Where the text of a unit comes from that is to be submitted, loaded or started.

A unit that the cluster has is left as it is; a local file that differs is warned about, or taken with `--replace`.
For a unit that it does not have, the first of these counts: the local file of that name; for an instance, the local
file of its template beside it; the template that the cluster has.

Everything is read and checked before anything is sent: one bad file, and nothing is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetpy.errors import InvalidUnitFileError, UserError
from fleetpy.schemas.v1 import UnitOptionEntity
from fleetpy.unit.file import MAX_UNIT_FILE_BYTES, UnitFile, UnitOption
from fleetpy.unit.name import UnitNameInfo, parse_unit_name, with_default_suffix
from fleetpy.unit.requirements import read_requirements
from fleetpy_cli.targets import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fleetpy.client.client import FleetClient
    from fleetpy.schemas.fleetpy_v1 import UnitStatus
    from fleetpy_cli.output import Output


@dataclass(frozen=True, slots=True)
class Wanted:
    """A unit named on the command line, and the path where its file would be."""

    name: UnitNameInfo
    path: Path

    @property
    def template_path(self) -> Path | None:
        """Where the file of its template would be, if it is an instance."""
        return self.path.with_name(self.name.template) if self.name.is_instance and self.name.template else None


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A unit file found on this machine."""

    path: Path
    file: UnitFile
    is_template: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A unit that is ready to be asked for; `file` is the text to send, None to leave what the cluster has."""

    name: UnitNameInfo
    file: UnitFile | None
    is_global: bool
    known: UnitStatus | None

    @property
    def options(self) -> list[UnitOptionEntity] | None:
        """The text as the API takes it."""
        if self.file is None:
            return None
        return [UnitOptionEntity(option.section, option.name, option.value) for option in self.file.options]


class SeveralErrors(UserError):  # noqa: N818 - it is several
    """More than one thing is wrong; `str` has a line for each."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


def read_arguments(arguments: Sequence[str]) -> list[Wanted]:
    """What the command line names, each unit once; raises `InvalidUnitNameError`."""
    wanted: dict[str, Wanted] = {}
    for argument in arguments:
        path = Path(with_default_suffix(argument))
        name = parse_unit_name(path.name)
        wanted.setdefault(name.full, Wanted(name, path))
    return list(wanted.values())


class UnitSource:
    """Prepares units for one command.

    `replaceable` says, with `--replace`, in which desired states a unit may be replaced by this command, whose name
    is `verb`; None without it.
    """

    def __init__(self, client: FleetClient, output: Output, verb: str, replaceable: Collection[str] | None) -> None:
        self._client = client
        self._output = output
        self._verb = verb
        self._replaceable = replaceable
        self._stored_templates: dict[str, UnitFile] = {}

    def prepare(self, wanted: Sequence[Wanted]) -> list[Prepared]:
        """Find and check every unit's text; raises `UserError` (`SeveralErrors`) if any is missing or bad."""
        known = self._look_up(wanted)
        prepared: list[Prepared] = []
        errors: list[UserError] = []
        for unit in wanted:
            status = known.get(unit.name.full)
            try:
                prepared.append(self._from_cluster(unit, status) if status else self._new(unit, known))
            except UserError as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise SeveralErrors(errors)
        return prepared

    def _look_up(self, wanted: Sequence[Wanted]) -> dict[str, UnitStatus]:
        names = {str(unit.name.full) for unit in wanted} | {
            str(unit.name.template) for unit in wanted if unit.name.template
        }
        return {unit.name: unit for unit in self._client.units(names).units}

    def _from_cluster(self, unit: Wanted, status: UnitStatus) -> Prepared:
        file = self._replacement(unit, status)
        is_global = _check(unit, file, unit.path) if file else status.isGlobal
        return Prepared(unit.name, file, is_global, status)

    def _replacement(self, unit: Wanted, status: UnitStatus) -> UnitFile | None:
        """The local text that is to replace the cluster's, if any."""
        try:
            local = find_local(unit)
        except UserError as error:
            if self._replaceable is not None:
                raise
            self._output.warn(f"{error}. Unit {status.name} stays as the cluster has it.")
            return None
        if self._replaceable is None:
            if local and local.file.hash != status.hash:
                kind = "local template unit file" if local.is_template else "local unit file"
                self._output.warn(
                    f"Unit {status.name} in registry differs from {kind} {local.path}. Add --replace to override."
                )
            return None
        if local is None:
            raise UserError(f"unit {status.name} cannot be replaced: {_nowhere_local(unit)}")
        if local.file.hash == status.hash:
            self._output.line(f"Found same Unit({status.name}) in Registry, nothing to do")
            return None
        if status.desiredState not in self._replaceable:
            raise UserError(
                f"{self._verb} can not replace Unit({status.name}) in state '{status.desiredState}'; "
                f"start --replace replaces it and starts it, stop or unload it first otherwise"
            )
        return local.file

    def _new(self, unit: Wanted, known: Mapping[str, UnitStatus]) -> Prepared:
        local = find_local(unit)
        if local is not None:
            return Prepared(unit.name, local.file, _check(unit, local.file, local.path), None)
        template = unit.name.template if unit.name.is_instance else None
        if template is None or template not in known:
            also = f", and there is no template {template} in it either" if template else ""
            raise UserError(
                f"unit {unit.name.full} is not in the cluster{also}; {_nowhere_local(unit)}; "
                f"{nearest(self._client, unit.name.full)}"
            )
        file = self._stored_template(template)
        return Prepared(unit.name, file, _check(unit, file, f"the cluster's {template}"), None)

    def _stored_template(self, template: str) -> UnitFile:
        if template not in self._stored_templates:
            entity = self._client.unit(template)
            if entity is None:
                raise UserError(f"template {template} has just been destroyed by somebody else")
            options = (UnitOption(option.section, option.name, option.value) for option in entity.options)
            self._stored_templates[template] = UnitFile.from_options(options)
        return self._stored_templates[template]


def find_local(unit: Wanted) -> LocalFile | None:
    """The unit's own file or, for an instance, its template's; raises `UserError` for one that cannot be used."""
    for path in filter(None, (unit.path, unit.template_path)):
        try:
            text = _read(path)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"unit file {path} cannot be read: {_reason(error)}") from error
        try:
            file = UnitFile.parse(text)
        except InvalidUnitFileError as error:
            raise UserError(f"unit file {path}: {error}") from error
        if not file.options:
            raise UserError(f"unit file {path} is empty: it has no options")
        return LocalFile(path, file, is_template=path != unit.path)
    return None


def _read(path: Path) -> str:
    """The text of a file, whose reading ends soon after the longest that can be used: it may be a device."""
    with path.open("rb") as file:
        content = file.read(MAX_UNIT_FILE_BYTES * 2)
    return content.decode()


def _check(unit: Wanted, file: UnitFile, where: object) -> bool:
    """Whether the unit is global; raises `UserError` if [X-Fleet] is not in order."""
    try:
        return read_requirements(unit.name, file).is_global
    except UserError as error:
        raise UserError(f"unit {unit.name.full} (from {where}): {error}") from error


def _nowhere_local(unit: Wanted) -> str:
    if unit.template_path is None:
        return f"there is no file {unit.path}"
    return f"there is neither a file {unit.path} nor {unit.template_path}"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"it is not UTF-8 (byte {error.start + 1})"
