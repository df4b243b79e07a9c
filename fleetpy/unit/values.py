"""What an option's verbatim value says: one logical line, and the words or quoted items in it."""

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
    """The words between white space; double quotes around a word make no difference, inside it keep space together.

    A backslash means nothing here: patterns and escaped names have their own use for it. Raises
    `InvalidRequirementError` for a quote that is not closed.
    """
    if '"' not in line:
        return line.split()
    outside_and_inside = line.split('"')
    if len(outside_and_inside) % 2 == 0:
        raise InvalidRequirementError(f"a double quote is not closed in {line!r}")
    words: list[str] = []
    word = ""
    for index, part in enumerate(outside_and_inside):
        if index % 2:
            word += part
            continue
        head, *tail = _split_keeping_ends(part)
        word += head
        for piece in tail:
            words.append(word)
            word = piece
    words.append(word)
    return [word for word in words if word]


def _split_keeping_ends(text: str) -> list[str]:
    """Like `str.split()`, but with an empty piece where the text begins or ends with white space."""
    pieces = text.split()
    if not pieces:
        return ["", ""] if text else [""]
    return [*([""] if text[0].isspace() else []), *pieces, *([""] if text[-1].isspace() else [])]


def split_items(line: str) -> list[str]:
    """The quoted items of a line that begins and ends with a double quote; any other line is one item.

    So the original reads `MachineMetadata="region=eu" "disk=ssd"`, and `MachineMetadata=rack=third from left`.
    """
    if not line.startswith('"') or not line.endswith('"'):
        return [line] if line else []
    return split_words(line)
