"""What an option's verbatim value says: one logical line, and the words or items in it."""

from __future__ import annotations

from fleetpy.errors import InvalidRequirementError
from fleetpy.unit.option import COMMENT_MARKS, WHITE_SPACE


def logical_line(value: str) -> str:
    """The value with its continued lines joined by a space and without comment lines between (systemd.syntax(7))."""
    if "\n" not in value:
        return value
    first, *rest = value.split("\n")
    kept = [first, *(line for line in rest if not line.lstrip(WHITE_SPACE).startswith(tuple(COMMENT_MARKS)))]
    return " ".join(line.removesuffix("\\").strip(WHITE_SPACE) for line in kept).strip(WHITE_SPACE)


def split_words(line: str) -> list[str]:
    """The words between white space, of which names and patterns have none inside; double quotes make no difference.

    A backslash means nothing here: patterns and escaped names have their own use for it. Raises
    `InvalidRequirementError` for a quote that is not closed.
    """
    _check_quotes(line)
    return line.replace('"', "").split()


def split_items(line: str) -> list[str]:
    """The items of a line that begins and ends with a double quote, each quoted or a word; any other line is one item.

    So the original reads `MachineMetadata="region=eu" "disk=ssd"`, and `MachineMetadata=rack=third from left`. Raises
    `InvalidRequirementError` for a quote that is not closed.
    """
    if not line.startswith('"') or not line.endswith('"'):
        return [line] if line else []
    _check_quotes(line)
    items: list[str] = []
    for index, part in enumerate(line.split('"')):
        within_quotes = index % 2 == 1
        items += [part] if within_quotes else part.split()
    return [item for item in items if item]


def _check_quotes(line: str) -> None:
    if line.count('"') % 2:
        raise InvalidRequirementError(f"a double quote is not closed in {line!r}")
