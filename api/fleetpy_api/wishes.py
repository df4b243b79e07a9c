"""What a client wishes of a unit, checked as far as it can be without knowing what the cluster has.

Checks come in the original's order, and the first problem is told: the name, the state, then the options. Whether
options make a valid unit is only asked when they are about to be stored: an unchanged unit is never refused for what
it already is.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from fleetpy.errors import UserError
from fleetpy.model.states import UnitGoal
from fleetpy.unit.file import UnitFile, UnitOption
from fleetpy.unit.name import UnitNameInfo, parse_unit_name
from fleetpy.unit.requirements import read_requirements
from fleetpy_api.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetpy.schemas.fleetpy_v1 import Change
    from fleetpy.schemas.v1 import UnitOptionEntity

ActionName = Literal["set", "destroy", "restart"]
_ACTIONS: dict[str, ActionName] = {"set": "set", "destroy": "destroy", "restart": "restart"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A change of one unit. `file` and `goal` are what it is to become, None where nothing is said."""

    name: UnitNameInfo
    action: ActionName
    file: UnitFile | None = None
    goal: UnitGoal | None = None


class WishReader:
    """Reads changes; unit files that occur many times over in a batch are read once."""

    def __init__(self) -> None:
        self._files: dict[tuple[UnitOption, ...], UnitFile] = {}

    def read(self, change: Change) -> Wish:
        """The wish that a change states; raises `UserError`."""
        name = parse_unit_name(change.name)
        action = _ACTIONS.get(change.action)
        if action is None:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST,
                f"{name.full}: there is no action {change.action!r}; it is one of {', '.join(_ACTIONS)}",
            )
        if action != "set" and (change.options or change.desiredState):
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, f"{name.full}: {action} takes neither options nor a desired state"
            )
        goal = _goal(name, change.desiredState)
        return Wish(name, action, self._file(name, change.options or ()), goal)

    def _file(self, name: UnitNameInfo, options: Sequence[UnitOptionEntity]) -> UnitFile | None:
        if not options:
            return None
        key = tuple(UnitOption(option.section, option.name, option.value) for option in options)
        if key not in self._files:
            try:
                self._files[key] = UnitFile.from_options(key)
            except UserError as error:
                raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name.full}: {error}") from error
        return self._files[key]


def check_storable(wish: Wish, file: UnitFile) -> None:
    """Raise `RefusedError` (400) if the unit cannot be stored with this file."""
    try:
        read_requirements(wish.name, file)
    except UserError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{wish.name.full}: {error}") from error


def _goal(name: UnitNameInfo, state: str | None) -> UnitGoal | None:
    if not state:
        return None
    try:
        goal = UnitGoal(state)
    except ValueError as error:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, f"{name.full}: there is no state {state!r}; it is one of {', '.join(UnitGoal)}"
        ) from error
    if name.is_template and goal is not UnitGoal.INACTIVE:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            f"{name.full} is a template and cannot be {goal}; name an instance of it, such as "
            f"{name.prefix}@1.{name.suffix}",
        )
    return goal
