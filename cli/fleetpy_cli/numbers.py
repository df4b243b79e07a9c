"""Numbers on a command line, and how a wrong one is spoken of: what it is to be, and how to write it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from click.types import FloatParamType, IntParamType

if TYPE_CHECKING:
    from click import Context, Parameter


class Seconds(FloatParamType):
    """More than none, also with a fraction."""

    name = "seconds"

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> float:
        """Read it."""
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"{value!r} is no number of seconds; write a number above 0, such as 2.5", param, ctx)
        return seconds


class Whole(IntParamType):
    """A whole number from `least` to `most`, where there is one."""

    name = "whole"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least = least
        self._most = most

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> int:
        """Read it."""
        try:
            number = int(str(value))
        except ValueError:
            number = self._least - 1
        if number < self._least or (self._most is not None and number > self._most):
            span = f"of at least {self._least}" if self._most is None else f"from {self._least} to {self._most}"
            self.fail(f"{value!r} is not what it takes; write a whole number {span}", param, ctx)
        return number
