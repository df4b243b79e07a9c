"""A manual page as man(7) has it.

Written here because the library there is for this (click-man) puts text into the page as it is: a line that begins
with a dot or an apostrophe, or a backslash, is then a request to roff; it also knows no examples, no groups of options
and no section but 1. This is all of roff that pages like ours take.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

_PARTS = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|(?P<page>[a-z][\w.-]*)(?P<number>\([1-8]\))"
    r"|(?<![\w-])(?P<option>--?[A-Za-z][\w-]*)"
)
"""What stands out in a sentence: `code`, page(1), --option."""

_ESCAPES = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"})
"""Characters that roff would take for a request, or make prettier than what can be typed."""

_PROSE = str.maketrans({"\\": r"\e"})


class Page:
    """One page, written from its top to its end; `date` is when it was made, `source` what it belongs to."""

    def __init__(self, name: str, section: int, summary: str, *, date: date, source: str) -> None:
        self.name = name
        self.section = section
        self._lines = [f'.TH "{literal(name.upper())}" "{section}" "{date:%Y-%m-%d}" "{literal(source)}" "fleetpy"']
        self.heading("NAME")
        self._lines.append(f"{literal(name)} \\- {prose(summary)}")

    @property
    def path(self) -> str:
        """Where it goes below a folder of manual pages."""
        return f"man{self.section}/{self.name}.{self.section}"

    @property
    def text(self) -> str:
        """The page as roff, in ASCII."""
        return "".join(f"{_ascii(line)}\n" for line in self._lines)

    def heading(self, title: str) -> None:
        """Begin a section."""
        self._lines.append(f".SH {title}")

    def subheading(self, title: str) -> None:
        """Begin a part of a section."""
        self._lines.append(f".SS {title}")

    def paragraphs(self, text: str) -> None:
        """Write prose; a blank line separates paragraphs."""
        for index, paragraph in enumerate(text.strip().split("\n\n")):
            if index or not self._lines[-1].startswith((".SH", ".SS")):
                self._lines.append(".PP")
            self._lines.append(_safe(prose(" ".join(paragraph.split()))))

    def synopsis(self, words: Sequence[str]) -> None:
        """Write how a program is called: its name and what is fixed in bold, what stands for something else not."""
        self._lines.append(_safe(" ".join(_word(word) for word in words)))

    def item(self, term: str, text: str) -> None:
        """Write an option, a variable or a file, and what it is; blank lines separate paragraphs."""
        first, *others = text.strip().split("\n\n")
        self._lines += [".TP", _safe(" ".join(_word(word) for word in term.split())), _safe(prose(_joined(first)))]
        for other in others:
            self._lines += [".IP", _safe(prose(_joined(other)))]

    def example(self, lines: Sequence[str]) -> None:
        """Write lines as they would be typed."""
        if not self._lines[-1].startswith(".SH"):
            self._lines.append(".PP")
        self._lines += [".RS 4", ".nf", *(_safe(literal(line)) for line in lines), ".fi", ".RE"]

    def see_also(self, pages: Sequence[str]) -> None:
        """Name other pages, such as `fleetctl(1)`; ends the page."""
        self.heading("SEE ALSO")
        self._lines.append(_safe(prose(", ".join(pages))))


def literal(text: str) -> str:
    """Text that can be copied out of the page as it stands."""
    return text.translate(_ESCAPES)


def prose(text: str) -> str:
    """Sentences, in which code, options and names of pages stand out."""
    written = []
    end = 0
    for found in _PARTS.finditer(text):
        written.append(text[end : found.start()].translate(_PROSE))
        bold = found["code"] or found["page"] or found["option"]
        written.append(f"\\fB{literal(bold)}\\fR{found['number'] or ''}")
        end = found.end()
    return "".join([*written, text[end:].translate(_PROSE)])


def _word(word: str) -> str:
    """A word of a synopsis or a term: what is typed as it stands in bold, what stands for something else in italics."""
    stands_for_else = word.strip("[](){}|.,…").isupper() or not word[:1].isalpha()
    plain = word.startswith("-") or not stands_for_else
    comma = "," if word.endswith(",") else ""
    return f"\\f{'B' if plain else 'I'}{literal(word.removesuffix(','))}\\fR{comma}"


def _joined(text: str) -> str:
    return " ".join(text.split())


def _safe(line: str) -> str:
    """The line so that it is text, however it begins."""
    return f"\\&{line}" if line[:1] in (".", "'") else line


def _ascii(line: str) -> str:
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in line)
