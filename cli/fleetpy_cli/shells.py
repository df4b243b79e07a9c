r"""How bash and zsh ask for completions, where click's own way gets the names of units wrong.

* bash takes `@` and `:` for the end of a word, and both stand in units' names: click is then asked for what begins
  like nothing, and offers nothing. So bash is asked for its whole line instead, and is given back only what lies
  behind the last such character (`COMP_WORDBREAKS` in bash(1)).
* Both lose the backslash of a name such as `dev-disk\x2dby.mount`.

Everything else is click's, as is all that fish needs.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from click.shell_completion import BashComplete, ZshComplete, add_completion_class, split_arg_string

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_BASH = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_WORDBREAKS=$COMP_WORDBREAKS \
%(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_SPECIAL = re.compile(r"[^\w@%+=:,./~-]")
"""Characters that mean something to a shell, or may."""


def register() -> None:
    """Have click use these."""
    add_completion_class(WholeLineBash)
    add_completion_class(BackslashZsh)


class WholeLineBash(BashComplete):
    """Reads the line up to the cursor; gives words as they are to be typed."""

    source_template = _BASH
    _kept = 0

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is typed, and that one."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        begun = "" if line[-1:].isspace() or not words else words.pop()
        self._kept = _kept(begun, os.environ.get("COMP_WORDBREAKS", ""))
        return words[1:], begun

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """The kind, and what is to stand where bash's own word begins."""
        value = str(item.value)[self._kept :]
        return f"{item.type},{_SPECIAL.sub(_escaped, value) if item.type == 'plain' else value}"


def _escaped(special: re.Match[str]) -> str:
    return f"\\{special[0]}"


def _kept(begun: str, breaks: str) -> int:
    """How many characters of a value bash keeps. It keeps all up to the last break, but an `@` begins a word."""
    name, equals, value = begun.partition("=")
    value = value if equals and name.startswith("-") else begun
    last = max((value.rfind(char) for char in breaks if char in "@:="), default=-1)
    return last if value[last : last + 1] == "@" else last + 1


class BackslashZsh(ZshComplete):
    """Keeps backslashes where `_describe` would take them away: in values that have a description."""

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """The kind, the value and its description, a line each."""
        if item.help:
            item.value = str(item.value).replace("\\", "\\\\")
        return super().format_completion(item)
