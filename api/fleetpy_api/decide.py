"""From a wish and what the cluster has to what is written: a pure function, one decision for each wish.

The table is the original's for `PUT` and `DELETE` (`api-v1.md`), with `restart` beside it:

| the unit is | asked | decision |
| --- | --- | --- |
| unknown | options | created, `inactive` unless a state is given |
| unknown | no options | refused, 409 |
| known | other options | replaced: as if created, but the same unit (`uid`) goes on with them |
| known | the same options or none, and a state | changed, or unchanged |
| known | the same options or none, no state | refused, 409 |
| known, unknown | destroy | destroyed, nothing (404 to a `DELETE`) |
| inactive, and adrift on a machine | destroy | refused, 409: nobody would stop it |
| launched or loaded | restart | launched, with a new stamp |
| inactive, unknown, a template | restart | refused, 409, 404, 400 |

Every decision, a refusal too, carries the guard under which it was made: a picture that lags behind the registry must
not refuse, or take for done, what another host has just changed.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from fleetpy.errors import UserError
from fleetpy.model.records import UnitRecord
from fleetpy.model.states import UnitGoal
from fleetpy_api.errors import RefusedError
from fleetpy_api.wishes import check_storable

if TYPE_CHECKING:
    from fleetpy.ids import Revision, UnitName
    from fleetpy.unit.file import UnitFile
    from fleetpy_api.wishes import Wish


class Status(StrEnum):
    """What becomes of a wish (`ChangeResult.status`)."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DESTROYED = "destroyed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Known:
    """A unit that the cluster has, as last written at `revision`; None both if what is stored there is unreadable."""

    record: UnitRecord | None
    revision: Revision | None
    adrift: bool = False
    """It runs somewhere, though the registry was set back to a state in which nothing says that it should."""
    restarted: str | None = None
    """The last stamp of a restart that an agent says it has carried out; the registry may have forgotten that one."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks for a change, and when."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What a wish comes to, if the unit is still what it was taken for (`known`).

    `record` is what to write and `file` what goes with it; a destroyed unit has neither.
    """

    status: Status
    known: Known | None
    record: UnitRecord | None = None
    file: UnitFile | None = None
    code: int = 0
    message: str = ""

    @property
    def replaces(self) -> bool:
        """Whether a known unit gets other options."""
        return self.known is not None and self.file is not None

    @property
    def stops(self) -> bool:
        """Whether a launched unit is to be loaded only."""
        before = self.known.record if self.known is not None else None
        if before is None or self.record is None:
            return False
        return before.desired is UnitGoal.LAUNCHED and self.record.desired is UnitGoal.LOADED


def refused(code: int, message: str, known: Known | None = None) -> Decision:
    """A refusal."""
    return Decision(Status.REFUSED, known, code=code, message=message)


def refusal(error: UserError, known: Known | None = None) -> Decision:
    """The refusal that an error comes to."""
    return refused(error.code if isinstance(error, RefusedError) else HTTPStatus.BAD_REQUEST, str(error), known)


def decide(wish: Wish, known: Known | None, author: Author) -> Decision:
    """What the wish comes to for a unit that is `known`, or not."""
    try:
        match wish.action:
            case "set":
                return _set(wish, known, author)
            case "destroy":
                return _destroy(wish, known)
            case "restart":
                return _restart(wish, known, author)
    except UserError as error:
        return refusal(error, known)


def _set(wish: Wish, known: Known | None, author: Author) -> Decision:
    name = wish.name.full
    before = known.record if known else None
    if wish.file is not None and (before is None or wish.file.hash != before.hash):
        check_storable(wish, wish.file)
        record = UnitRecord(
            desired=wish.goal or UnitGoal.INACTIVE,
            hash=wish.file.hash,
            restarted=before.restarted if before else None,
            changed_at=author.at,
            changed_by=author.name,
        )
        return Decision(Status.CHANGED if known else Status.CREATED, known, record, wish.file)
    if known is None:
        raise RefusedError(HTTPStatus.CONFLICT, f"unit {name} does not exist and no options are given to make it from")
    if wish.goal is None:
        raise RefusedError(HTTPStatus.CONFLICT, f"unit {name} exists; say which desiredState it is to have")
    before = _readable(name, known)
    if wish.goal is before.desired:
        return Decision(Status.UNCHANGED, known)
    return Decision(Status.CHANGED, known, _changed(before, author, desired=wish.goal))


def _destroy(wish: Wish, known: Known | None) -> Decision:
    if known is not None and known.adrift and known.record is not None and known.record.desired is UnitGoal.INACTIVE:
        raise RefusedError(
            HTTPStatus.CONFLICT,
            f"unit {wish.name.full} is inactive and runs all the same, since the registry was set back to an older "
            "state; start it first: it is taken over as it runs, and can be destroyed then",
        )
    return Decision(Status.DESTROYED if known else Status.UNCHANGED, known)


def _restart(wish: Wish, known: Known | None, author: Author) -> Decision:
    name = wish.name.full
    if known is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, f"unit {name} does not exist")
    if wish.name.is_template:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name} is a template and does not run; restart its instances")
    before = _readable(name, known)
    if before.desired is UnitGoal.INACTIVE:
        raise RefusedError(HTTPStatus.CONFLICT, f"unit {name} is inactive: there is nothing to restart; start it")
    stamp = _stamp_after(max(before.restarted or "", known.restarted or ""), author.at)
    return Decision(Status.CHANGED, known, _changed(before, author, desired=UnitGoal.LAUNCHED, restarted=stamp))


def _stamp_after(before: str, at: datetime) -> str:
    """A stamp for a restart that is asked for now: later than the unit's last one, whatever clock that was made by."""
    with contextlib.suppress(ValueError):
        at = max(at, datetime.fromisoformat(before) + timedelta(microseconds=1))
    return at.isoformat(timespec="microseconds")


def _readable(name: UnitName, known: Known) -> UnitRecord:
    if known.record is None:
        raise RefusedError(
            HTTPStatus.CONFLICT, f"what is stored of unit {name} cannot be read; destroy it, or submit it anew"
        )
    return known.record


def _changed(before: UnitRecord, author: Author, *, desired: UnitGoal, restarted: str | None = None) -> UnitRecord:
    return before.replace(
        desired=desired, restarted=restarted or before.restarted, changed_at=author.at, changed_by=author.name
    )
