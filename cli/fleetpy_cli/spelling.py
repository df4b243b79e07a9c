"""The original's ways to write options that click does not know, put in those that it does.

The original read its options with pflag, by which a switch may have a value (`--replace=true`, `--no-block=false`) and
a name of one letter stands behind two dashes (`--l`, `--f`, `--A`, `--h`). `FORMER` are names that it kept for others.
Only a command's own words are touched: not what is behind `--`, and not an option's value.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMER = {"--etcd-cafile": "--ca-file", "--etcd-certfile": "--cert-file", "--etcd-keyfile": "--key-file"}

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's strconv.ParseBool takes."""

_ONE_LETTER = len("--x")


class Role(Enum):
    """What a word of a command line is."""

    OPTION = auto()
    VALUE = auto()
    ARGUMENT = auto()
    END = auto()
    """`--`: no options after it."""


def roles(words: Sequence[str], parameters: Iterable[click.Parameter]) -> list[Role]:
    """The role of each word, for a command of these parameters."""
    takes_value = {
        name
        for option in parameters
        if isinstance(option, click.Option) and not option.is_flag and not _is_truth(option)
        for name in option.opts
    }
    takes_value |= {former for former, name in FORMER.items() if name in takes_value}
    found: list[Role] = []
    for word in words:
        if Role.END in found:
            found.append(Role.ARGUMENT)
        elif found and found[-1] is Role.OPTION and words[len(found) - 1] in takes_value:
            found.append(Role.VALUE)
        elif word == "--":
            found.append(Role.END)
        else:
            found.append(Role.OPTION if word.startswith("-") and word != "-" else Role.ARGUMENT)
    return found


def respelt(words: Sequence[str], parameters: Sequence[click.Parameter]) -> list[str]:
    """The words as click reads them."""
    options = {name: option for option in parameters if isinstance(option, click.Option) for name in option.opts}
    written: list[str] = []
    for word, role in zip(words, roles(words, parameters), strict=True):
        written += _respelt(word, options) if role is Role.OPTION else [word]
    return written


def _respelt(word: str, options: dict[str, click.Option]) -> list[str]:
    name, equals, value = word.partition("=")
    name = FORMER.get(name, name)
    if len(name) == _ONE_LETTER and name not in options and name[1:] in options:
        name = name[1:]
    option = options.get(name)
    if option is None:
        return [word]
    if option.is_flag and value in _TRUE:
        return [name]
    if option.is_flag and value in _FALSE:
        return []  # no switch is on by itself
    if _is_truth(option) and not equals:
        return [f"{name}=true"]
    return [f"{name}{equals}{value}"]


def _is_truth(option: click.Option) -> bool:
    """Whether it may have a value, true or false, and is true without one."""
    return not option.is_flag and option.type is click.BOOL
